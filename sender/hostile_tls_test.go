package sender

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Each kind of bad certificate and of bad handshake is a failure like any
// other, which is retried: it may be mended within the minute. No request goes
// out, and the text says what to mend.
func TestBadCertificates(t *testing.T) {
	t.Parallel()
	authority, stranger := newAuthority(t), newAuthority(t)
	transport := authority.transport()
	good := authority.issue(nil)
	served := func(certificate tls.Certificate) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{certificate}}
	}
	only := func(version uint16) *tls.Config {
		c := served(good)
		c.MinVersion, c.MaxVersion = version, version
		return c
	}
	asking := func(version uint16) *tls.Config {
		c := only(version)
		c.ClientAuth = tls.RequireAnyClientCert
		return c
	}
	const unknown = "the certificate is signed by an unknown authority: have the operator set WEBHOOKS_CA_FILE if it is a private one"
	const invalid, refused = "tls: failed to verify certificate: x509: ", "the receiver refused the TLS connection: tls: "
	for _, test := range []struct {
		name    string
		config  *tls.Config
		problem string // Its beginning.
	}{
		{"expired", served(authority.issue(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })), invalid + "certificate has expired or is not yet valid"},
		{"not yet valid", served(authority.issue(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })), invalid + "certificate has expired or is not yet valid"},
		{"another address", served(authority.issue(func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 2)} })), invalid + "certificate is valid for 127.0.0.2, not 127.0.0.1"},
		{"another name", served(authority.issue(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"hooks.example"} })), invalid},
		{"address as a name", served(authority.issue(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"127.0.0.1"} })), invalid},
		{"no subject alternative name", served(authority.issue(func(c *x509.Certificate) { c.IPAddresses = nil })), invalid},
		{"for clients", served(authority.issue(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })), invalid + "certificate specifies an incompatible key usage"},
		{"hostile name", served(authority.issue(func(c *x509.Certificate) {
			c.IPAddresses, c.DNSNames = nil, []string{"\x1b[31m\x00." + strings.Repeat("a", 2000)}
		})), ""},
		{"unknown authority", served(stranger.issue(nil)), unknown},
		{"self-signed", served(stranger.selfSigned()), unknown},
		{"TLS 1.0 only", only(tls.VersionTLS10), refused + "protocol version not supported"},
		{"TLS 1.1 only", only(tls.VersionTLS11), refused + "protocol version not supported"},
		{"certificate asked of the client in TLS 1.2", asking(tls.VersionTLS12), refused},
		{"certificate asked of the client in TLS 1.3", asking(tls.VersionTLS13), refused + "certificate required"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			asked := make(chan bool, 1)
			address := listen(t, func(raw net.Conn) {
				conn := tls.Server(raw, test.config)
				defer func() { _ = conn.Close() }()
				n := int64(0)
				if conn.Handshake() == nil {
					n, _ = io.Copy(io.Discard, conn)
				}
				asked <- n > 0
			})
			got := post(t, transport, "https://"+address+"/", ample)
			if got.answered || got.hopeless || got.cut || got.problem == "" || !strings.HasPrefix(got.problem, test.problem) {
				t.Errorf("got %+v, want no answer and %q", got, test.problem)
			}
			if <-asked {
				t.Error("a request went out")
			}
			storable(t, got.problem, errorBytes)
		})
	}
}

// Each kind of receiver that does not get as far as a certificate.
func TestBadHandshakes(t *testing.T) {
	t.Parallel()
	transport := newAuthority(t).transport()
	for _, test := range []struct {
		name    string
		play    func(net.Conn)
		timeout time.Duration
		problem string
	}{
		{"plain HTTP", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4<<10))
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
		}, ample, "the receiver does not speak TLS on this port"},
		{"plain HTTP 200", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			_, _ = io.Copy(io.Discard, c)
		}, ample, "the receiver does not speak TLS on this port"},
		{"another protocol", func(c net.Conn) {
			_, _ = io.WriteString(c, "220 mail.example ESMTP\r\n")
			_, _ = io.Copy(io.Discard, c)
		}, ample, "the receiver does not speak TLS on this port"},
		{"nothing", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, brief, "no connection within 1s"},
		{"half a record", func(c net.Conn) {
			_, _ = c.Write([]byte{22, 3, 3, 0x40})
			_, _ = io.Copy(io.Discard, c)
		}, brief, "no connection within 1s"},
		{"dripped record", func(c net.Conn) {
			_, err := c.Write([]byte{22, 3, 3, 0x40, 0, 2})
			ticker := time.NewTicker(20 * time.Millisecond)
			defer ticker.Stop()
			for err == nil {
				<-ticker.C
				_, err = c.Write([]byte{0})
			}
		}, brief, "no connection within 1s"},
		{"endless records without content", func(c net.Conn) {
			for {
				if _, err := c.Write([]byte{21, 3, 3, 0, 2, 1, 41}); err != nil {
					return
				}
			}
		}, ample, "no connection: "},
		{"closed at once", func(c net.Conn) { _, _ = c.Read(make([]byte, 4<<10)) }, ample, ""},
		{"reset at once", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1))
			_ = c.(*net.TCPConn).SetLinger(0)
		}, ample, "the receiver reset the connection"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			address := listen(t, test.play)
			got := post(t, transport, "https://"+address+"/", test.timeout)
			if got.answered || got.hopeless || got.cut || got.problem == "" || !strings.HasPrefix(got.problem, test.problem) {
				t.Errorf("got %+v, want no answer and %q", got, test.problem)
			}
			if test.timeout == brief && got.duration < brief || got.duration > test.timeout+5*time.Second {
				t.Errorf("took %s, want it within %s", got.duration, test.timeout)
			}
			if strings.Contains(got.problem, address) || strings.Contains(got.problem, "127.0.0.1") {
				t.Errorf("%q tells an address", got.problem)
			}
			storable(t, got.problem, errorBytes)
		})
	}
}

// Retry-After of an answer that came over the wire, in every form that is
// wrong, and those that are right.
func TestRetryAfterOverTheWire(t *testing.T) {
	t.Parallel()
	authority := newAuthority(t)
	transport, certificate := authority.transport(), authority.issue(nil)
	o := Defaults()
	now := noon
	for name, test := range map[string]struct {
		headers string
		want    time.Duration
	}{
		"none":                {"", time.Second},
		"empty":               {"Retry-After:\r\n", time.Second},
		"blanks":              {"Retry-After: \t \r\n", time.Second},
		"zero":                {"Retry-After: 0\r\n", time.Second},
		"minus zero":          {"Retry-After: -0\r\n", time.Second},
		"negative":            {"Retry-After: -5\r\n", time.Second},
		"fraction":            {"Retry-After: 1.5\r\n", time.Second},
		"exponent":            {"Retry-After: 1e9\r\n", time.Second},
		"hexadecimal":         {"Retry-After: 0x10\r\n", time.Second},
		"unit":                {"Retry-After: 10s\r\n", time.Second},
		"list":                {"Retry-After: 5, 10\r\n", time.Second},
		"quoted":              {"Retry-After: \"5\"\r\n", time.Second},
		"other digits":        {"Retry-After: \u0665\r\n", time.Second},
		"invalid UTF-8":       {"Retry-After: \xff\r\n", time.Second},
		"blank before":        {"Retry-After:   2\r\n", 2 * time.Second},
		"tab after":           {"Retry-After: 2\t\r\n", 2 * time.Second},
		"zeros before":        {"Retry-After: 0000000000000000000000003\r\n", 3 * time.Second},
		"twice":               {"Retry-After: 4\r\nRetry-After: 50\r\n", 4 * time.Second},
		"twice, first bad":    {"Retry-After: soon\r\nRetry-After: 50\r\n", time.Second},
		"a day":               {"Retry-After: 86400\r\n", time.Minute},
		"overflow":            {"Retry-After: 9223372036\r\n", time.Minute},
		"overflow, negative":  {"Retry-After: 9223372037\r\n", time.Minute},
		"overflow twice":      {"Retry-After: 18446744073709551616\r\n", time.Minute},
		"ten thousand digits": {"Retry-After: " + strings.Repeat("9", 10_000) + "\r\n", time.Minute},
		"date":                {"Retry-After: Mon, 23 Nov 2026 12:00:07 GMT\r\n", 7 * time.Second},
		"RFC 850":             {"Retry-After: Monday, 23-Nov-26 12:00:07 GMT\r\n", 7 * time.Second},
		"asctime":             {"Retry-After: Mon Nov 23 12:00:07 2026\r\n", 7 * time.Second},
		"past":                {"Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n", time.Second},
		"far":                 {"Retry-After: Tue, 31 Dec 2199 23:59:59 GMT\r\n", time.Minute},
		"year zero":           {"Retry-After: Sat, 01 Jan 0000 00:00:00 GMT\r\n", time.Second},
		"no such day":         {"Retry-After: Mon, 31 Feb 2026 12:00:07 GMT\r\n", time.Second},
		"another zone":        {"Retry-After: Mon, 23 Nov 2026 12:00:07 PST\r\n", time.Second},
		"RFC 3339":            {"Retry-After: 2026-11-23T12:00:07Z\r\n", time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusInternalServerError, http.StatusFound} {
				address := listenTLS(t, certificate, says(fmt.Sprintf("HTTP/1.1 %d X\r\n%sContent-Length: 0\r\n\r\n", status, test.headers)))
				want := test.want
				if status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
					want = time.Second
				}
				got := post(t, transport, "https://"+address+"/", ample)
				if v := o.decide(got, progress{1, 0}, now); got.status != status || v.ending != retry || v.wait != want {
					t.Errorf("got %+v after %+v, want a retry after %s", v, got, want)
				}
			}
		})
	}
}
