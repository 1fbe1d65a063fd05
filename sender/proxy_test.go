package sender

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// through returns a transport that goes through a proxy with a password.
func (a *authority) through(t *testing.T, scheme, proxy string) *transport {
	t.Helper()
	o := a.transport().options
	o.Proxy = &url.URL{Scheme: scheme, Host: proxy, User: url.UserPassword("sidecar", "hidden")}
	transport := newTransport(o, nil)
	t.Cleanup(transport.close)
	return transport
}

// connects plays an HTTP proxy that knows one receiver, whatever it is asked
// for.
func connects(receiver string, asked chan<- string) func(net.Conn) {
	return func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		asked <- request.Method + " " + request.Host + " " + request.Header.Get("Proxy-Authorization")
		_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
		join(conn, reader, receiver)
	}
}

// socks plays a SOCKS5 proxy likewise (RFC 1928, RFC 1929).
func socks(receiver string, asked chan<- string) func(net.Conn) {
	return func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		read := func(n int) []byte {
			data := make([]byte, n)
			_, _ = io.ReadFull(reader, data)
			return data
		}
		read(int(read(2)[1]))
		_, _ = conn.Write([]byte{5, 2})
		user := string(read(int(read(2)[1])))
		password := string(read(int(read(1)[0])))
		_, _ = conn.Write([]byte{1, 0})
		name := string(read(int(read(5)[4])))
		read(2)
		asked <- user + " " + password + " " + name
		_, _ = conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		join(conn, reader, receiver)
	}
}

func join(conn net.Conn, reader io.Reader, receiver string) {
	to, err := net.Dial("tcp", receiver)
	if err != nil {
		return
	}
	back := make(chan struct{})
	go func() {
		defer close(back)
		_, _ = io.Copy(conn, to)
		_ = conn.Close()
	}()
	_, _ = io.Copy(to, reader)
	_ = to.Close()
	<-back
}

// A proxy carries TLS from end to end: it sees neither path nor payload, the
// certificate is the receiver's, and the receiver never sees the proxy's
// password. The proxy resolves the name. The limit of its connecting is none
// of the requests that follow on the connection.
func TestProxyCarriesTLS(t *testing.T) {
	t.Parallel()
	const timeout, slow = time.Second, 600 * time.Millisecond
	authority := newAuthority(t)
	certificate := authority.issue(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"hooks.example"} })
	for _, test := range []struct {
		proxy, scheme string
		plays         func(string, chan<- string) func(net.Conn)
		asked         string
	}{
		{"http", "https", connects, "CONNECT hooks.example:443 Basic c2lkZWNhcjpoaWRkZW4="},
		{"socks5", "https", socks, "sidecar hidden hooks.example"},
		{"socks5", "http", socks, "sidecar hidden hooks.example"},
	} {
		t.Run(test.scheme+" by "+test.proxy, func(t *testing.T) {
			t.Parallel()
			seen := make(chan *http.Request, 2)
			receiver := listen(t, func(raw net.Conn) {
				conn := raw
				if test.scheme == "https" {
					conn = tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{certificate}})
				}
				defer func() { _ = conn.Close() }()
				for reader := bufio.NewReader(conn); ; {
					request, err := http.ReadRequest(reader)
					if err != nil {
						return
					}
					seen <- request
					<-time.After(slow)
					_, _ = io.WriteString(conn, ok+"Content-Length: 0\r\n\r\n")
				}
			})
			asked := make(chan string, 2)
			transport := authority.through(t, test.proxy, listen(t, test.plays(receiver, asked)))
			for range 2 {
				if got := post(t, transport, test.scheme+"://hooks.example/services/path", timeout); got.status != 200 || got.problem != "" {
					t.Fatalf("got %+v, want 200", got)
				}
				if request := <-seen; request.RequestURI != "/services/path" || request.Header.Get("Proxy-Authorization") != "" {
					t.Errorf("the receiver was asked %s %v", request.RequestURI, request.Header)
				}
			}
			if got := <-asked; got != test.asked || len(asked) != 0 {
				t.Errorf("the proxy was asked %q and %d times more, want %q once", got, len(asked), test.asked)
			}
		})
	}
}

// Whatever the proxy does, an attempt ends in time and its text tells neither
// the proxy's address nor its password.
func TestBadProxies(t *testing.T) {
	t.Parallel()
	authority := newAuthority(t)
	asked := func(answer string) func(net.Conn) {
		return func(conn net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.WriteString(conn, answer)
			}
		}
	}
	for _, test := range []struct {
		name    string
		play    func(net.Conn)
		timeout time.Duration
		problem string
	}{
		{"refuses", asked("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), ample, "no connection: Forbidden"},
		{"wants another password", asked("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"), ample, "no connection: Proxy Authentication Required"},
		{"redirects", asked("HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\n\r\n"), ample, "no connection: Found"},
		{"closes", asked(""), ample, "the receiver closed the connection without an answer"},
		{"garbage", asked("\x00\xff\x1b[31m\r\n\r\n"), ample, "no connection: "},
		{"endless headers", func(conn net.Conn) {
			_, err := io.WriteString(conn, ok)
			for err == nil {
				_, err = io.WriteString(conn, "X-Filler: "+strings.Repeat("x", 1<<10)+"\r\n")
			}
		}, ample, ""},
		{"hangs", func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }, brief, "no connection within 1s"},
		{"connects to nothing", func(conn net.Conn) {
			asked(ok + "\r\n")(conn)
			_, _ = io.Copy(io.Discard, conn)
		}, brief, "no connection within 1s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan struct{}, 10)
			proxy := listen(t, func(conn net.Conn) {
				defer func() { ended <- struct{}{} }()
				test.play(conn)
			})
			got := post(t, authority.through(t, "http", proxy), "https://hooks.example/services/hidden", test.timeout)
			if got.answered || got.hopeless || got.cut || !strings.HasPrefix(got.problem, test.problem) {
				t.Errorf("got %+v, want no answer and %q", got, test.problem)
			}
			if strings.Contains(got.problem, "127.0.0.1") || strings.Contains(got.problem, "hidden") || strings.Contains(got.problem, "sidecar") {
				t.Errorf("%q tells too much", got.problem)
			}
			select {
			case <-ended:
			case <-time.After(5 * time.Second):
				t.Error("the connection to the proxy is left open")
			}
			if got.duration > test.timeout+5*time.Second {
				t.Errorf("took %s, want it within %s", got.duration, test.timeout)
			}
			storable(t, got.problem, errorBytes)
		})
	}
}

// A receiver that never reads the request does not hold the attempt longer
// than one that never answers.
func TestDeadlineCoversTheRequest(t *testing.T) {
	t.Parallel()
	authority := newAuthority(t)
	certificate := authority.issue(nil)
	released := make(chan struct{})
	address := listen(t, func(raw net.Conn) {
		conn := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{certificate}})
		_ = conn.Handshake()
		<-released // Without a read, so that the buffers on the way fill up.
	})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+address+"/", strings.NewReader(strings.Repeat("x", 64<<20)))
	if err != nil {
		t.Fatal(err)
	}
	got := authority.transport().transmit(t.Context(), request, brief)
	close(released)
	if got.answered || got.problem != "no answer within 1s" || got.duration > brief+5*time.Second {
		t.Errorf("got %+v, want the timeout", got)
	}
}
