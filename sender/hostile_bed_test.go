package sender

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"plausible-webhooks/config/target"
)

// authority signs certificates of hostile receivers.
type authority struct {
	t           *testing.T
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "hostile receivers"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.certificate = a.sign(template, template, a.key, &a.key.PublicKey)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) sign(template, parent *x509.Certificate, by *ecdsa.PrivateKey, of *ecdsa.PublicKey) *x509.Certificate {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, of, by)
	if err != nil {
		a.t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return certificate
}

// issue makes a certificate for 127.0.0.1 with what change does to it.
func (a *authority) issue(change func(*x509.Certificate)) tls.Certificate {
	a.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "127.0.0.1"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if change != nil {
		change(template)
	}
	key := newKey(a.t)
	certificate := a.sign(template, a.certificate, a.key, &key.PublicKey)
	return tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key}
}

// selfSigned makes a certificate for 127.0.0.1 that vouches for itself.
func (a *authority) selfSigned() tls.Certificate {
	a.t.Helper()
	key := newKey(a.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "127.0.0.1"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	certificate := a.sign(template, template, key, &key.PublicKey)
	return tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key}
}

// transport returns one that trusts the authority and may reach loopback.
func (a *authority) transport() *transport {
	a.t.Helper()
	o := Defaults()
	loopback, err := target.ParseAllowed("127.0.0.0/8")
	if err != nil {
		a.t.Fatal(err)
	}
	o.Rules.AllowedTargets = []target.Allowed{loopback}
	o.Roots = x509.NewCertPool()
	o.Roots.AddCert(a.certificate)
	transport := newTransport(o, nil)
	a.t.Cleanup(transport.close)
	return transport
}

// listen plays a part on each connection that is made, and closes it
// afterwards; it returns the address. The listener ends with the test.
func listen(t *testing.T, play func(net.Conn)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var playing sync.WaitGroup
	playing.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			playing.Go(func() {
				defer func() { _ = conn.Close() }()
				_ = conn.SetDeadline(time.Now().Add(time.Minute)) // Should a part never end.
				play(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		playing.Wait()
	})
	return listener.Addr().String()
}

// listenTLS is listen after a handshake and once the request's head is read.
func listenTLS(t *testing.T, certificate tls.Certificate, play func(*tls.Conn)) (address string) {
	t.Helper()
	return listenConfig(t, &tls.Config{Certificates: []tls.Certificate{certificate}}, play)
}

func listenConfig(t *testing.T, config *tls.Config, play func(*tls.Conn)) (address string) {
	t.Helper()
	return listen(t, func(raw net.Conn) {
		conn := tls.Server(raw, config)
		defer func() { _ = conn.Close() }()
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			play(conn)
		}
	})
}

// post makes one attempt at an address.
func post(t *testing.T, transport *transport, url string, timeout time.Duration) outcome {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return transport.transmit(t.Context(), request, timeout)
}
