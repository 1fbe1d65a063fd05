package sender

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
)

// A session is remembered, but not one by which a receiver fills our memory.
func TestSessions(t *testing.T) {
	t.Parallel()
	authority := newAuthority(t)
	ordinary := authority.issue(nil)
	large := authority.issue(func(c *x509.Certificate) {
		for i := range 2000 {
			c.DNSNames = append(c.DNSNames, fmt.Sprintf("%s%d.example", strings.Repeat("a", 20), i))
		}
	})
	for _, test := range []struct {
		name        string
		certificate tls.Certificate
		version     uint16
		ticket      int // Bytes; zero: an ordinary one.
		want        bool
	}{
		{"TLS 1.3", ordinary, tls.VersionTLS13, 0, true},
		{"TLS 1.2", ordinary, tls.VersionTLS12, 0, true},
		{"large ticket, TLS 1.3", ordinary, tls.VersionTLS13, 60 << 10, false},
		{"large ticket, TLS 1.2", ordinary, tls.VersionTLS12, 60 << 10, false},
		{"large certificate, TLS 1.3", large, tls.VersionTLS13, 0, false},
		{"large certificate, TLS 1.2", large, tls.VersionTLS12, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			transport := authority.transport()
			config := &tls.Config{Certificates: []tls.Certificate{test.certificate}, MinVersion: test.version, MaxVersion: test.version}
			if test.ticket != 0 {
				config.WrapSession = func(tls.ConnectionState, *tls.SessionState) ([]byte, error) { return make([]byte, test.ticket), nil }
			}
			address := listenConfig(t, config, says(ok+"Connection: close\r\nContent-Length: 0\r\n\r\n"))
			for range 2 {
				if got := post(t, transport, "https://"+address+"/", ample); got.status != 200 {
					t.Fatalf("got %+v, want 200", got)
				}
			}
			if _, got := transport.tls.ClientSessionCache.Get("127.0.0.1"); got != test.want {
				t.Errorf("a session is remembered: %t, want %t", got, test.want)
			}
		})
	}
}
