package sender_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"plausible-webhooks/config/target"
	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/sender"
)

// names answers look-ups from a table, and passes addresses.
func names(table map[string][]string) func(context.Context, string, string) ([]netip.Addr, error) {
	return func(_ context.Context, _, host string) ([]netip.Addr, error) {
		if addr, err := netip.ParseAddr(host); err == nil {
			return []netip.Addr{addr}, nil
		}
		var answers []netip.Addr
		for _, text := range table[host] {
			answers = append(answers, netip.MustParseAddr(text))
		}
		if len(answers) == 0 {
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		return answers, nil
	}
}

// listening counts connections to a port of loopback.
func listening(t *testing.T) (port string, connections *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connections = new(atomic.Int64)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-ended
	})
	_, port, err = net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, connections
}

func TestRefusedAddresses(t *testing.T) {
	b := newBed(t)
	port, connections := listening(t)
	o := b.options()
	o.Rules.AllowedTargets = nil
	portNumber, _ := target.ParsePort(port)
	o.Rules.AllowedPorts = []uint16{443, portNumber}
	b.start(o, func(s *sender.Sender) {
		s.Resolve(names(map[string][]string{
			"loopback.example": {"127.0.0.1"}, "mixed.example": {"1.1.1.1", "127.0.0.1"}, "mapped.example": {"::ffff:127.0.0.1"},
			"metadata.example": {"169.254.169.254"}, "private.example": {"10.0.0.1"}, "nat64.example": {"64:ff9b::7f00:1"},
			"six.example": {"2606:4700::1111", "::1"}, "azure.example": {"168.63.129.16"},
		}))
	})
	for _, host := range []string{
		"127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254", "10.0.0.1", "100.64.0.1",
		"loopback.example", "mixed.example", "mapped.example", "metadata.example", "private.example", "nat64.example", "six.example", "azure.example",
	} {
		d := b.untilStatus(b.enqueue(b.webhook("https://"+host+":"+port+"/x", whsec), "{}"), sender.StatusFailed)
		if len(d.AttemptLog) != 1 || d.LastError == nil || *d.LastError != "address not allowed" {
			t.Errorf("%s: got %v, want one attempt with the one text", host, texts(d.AttemptLog))
		}
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections were made to a refused address", n)
	}
}

func TestUnusableURLs(t *testing.T) {
	b := newBed(t)
	o := b.options()
	o.Rules.AllowedTargets = nil
	b.start(o)
	for raw, want := range map[string]string{
		"":                               "a URL is needed",
		"ftp://example.com/x":            "https://",
		"http://example.com/x":           "https://",
		"https://example.com:22/x":       "port",
		"https://user:pw@example.com/x":  "user name",
		"https://example.com/x#fragment": "fragment",
		"https://localhost/x":            "address not allowed",
		"not a url":                      "space",
	} {
		d := b.untilStatus(b.enqueue(b.webhook(raw, whsec), "{}"), sender.StatusFailed)
		if len(d.AttemptLog) != 1 || d.LastError == nil || !strings.Contains(*d.LastError, want) {
			t.Errorf("%q: got %v, want one attempt that names %q", raw, texts(d.AttemptLog), want)
		}
	}
}

func TestAllowedTargetsReachPlainHTTP(t *testing.T) {
	b := newBed(t)
	b.start(b.options())
	b.untilStatus(b.enqueue(b.webhook(b.receiver.HTTPURL("/hook"), whsec), "{}"), sender.StatusDelivered)
}

func TestOwnServersAreRefusedWhateverIsAllowed(t *testing.T) {
	b := newBed(t)
	o := b.options()
	u, err := url.Parse(b.receiver.URL("/"))
	if err != nil {
		t.Fatal(err)
	}
	port, _ := target.ParsePort(u.Port())
	o.Own = []target.OwnServer{{Host: "database.example", Ports: []uint16{port}}}
	b.start(o, func(s *sender.Sender) { s.Resolve(names(map[string][]string{"database.example": {"127.0.0.1"}})) })
	d := b.untilStatus(b.enqueue(b.webhook(b.receiver.URL("/own"), whsec), "{}"), sender.StatusFailed)
	if len(d.AttemptLog) != 1 || *d.LastError != "address not allowed" || len(b.receiver.Requests("")) != 0 {
		t.Errorf("got %v, want the own server refused", texts(d.AttemptLog))
	}
	// Another port of loopback is somebody else.
	b.untilStatus(b.enqueue(b.webhook(b.receiver.HTTPURL("/other"), whsec), "{}"), sender.StatusDelivered)
}

func TestUnknownAuthority(t *testing.T) {
	b := newBed(t)
	o := b.options()
	o.Roots, o.Retries = nil, 0
	b.start(o)
	d := b.untilStatus(b.enqueue(b.webhook(b.receiver.URL("/hook"), whsec), "{}"), sender.StatusFailed)
	if !strings.Contains(*d.LastError, "unknown authority") || len(b.receiver.Requests("")) != 0 {
		t.Errorf("got %v, want the certificate refused", texts(d.AttemptLog))
	}
}

func TestUnresolvableName(t *testing.T) {
	b := newBed(t)
	o := b.options()
	o.Retries = 1
	b.start(o, func(s *sender.Sender) { s.Resolve(names(nil)) })
	d := b.untilStatus(b.enqueue(b.webhook("https://nowhere.example/x", whsec), "{}"), sender.StatusFailed)
	if len(d.AttemptLog) != 2 || *d.LastError != "the host name does not resolve" {
		t.Errorf("got %v, want it retried and the reason", texts(d.AttemptLog))
	}
}

func TestAmbientProxyIsIgnored(t *testing.T) {
	port, connections := listening(t)
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:"+port)
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:"+port)
	b := newBed(t)
	b.start(b.options())
	b.untilStatus(b.enqueue(b.webhook(b.receiver.URL("/hook"), whsec), "{}"), sender.StatusDelivered)
	if connections.Load() != 0 {
		t.Error("the proxy of the environment was used")
	}
}

func TestConfiguredProxy(t *testing.T) {
	b := newBed(t)
	proxy, err := receiver.Start(receiver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	o := b.options()
	o.Rules.AllowedTargets = append(o.Rules.AllowedTargets, mustAllow(t, "hooks.example:80"))
	if o.Proxy, err = url.Parse(proxy.HTTPURL("")); err != nil {
		t.Fatal(err)
	}
	b.start(o)
	b.untilStatus(b.enqueue(b.webhook("http://hooks.example/hook", whsec), "{}"), sender.StatusDelivered)
	if got := proxy.Requests("/hook"); len(got) != 1 {
		t.Errorf("got %d requests at the proxy, want 1", len(got))
	}
	d := b.untilStatus(b.enqueue(b.webhook("https://10.0.0.1/hook", whsec), "{}"), sender.StatusFailed)
	if *d.LastError != "address not allowed" || len(d.AttemptLog) != 1 || len(proxy.Requests("")) != 1 {
		t.Errorf("got %v, want a literal address refused before the proxy", texts(d.AttemptLog))
	}
}

func mustAllow(t *testing.T, text string) target.Allowed {
	t.Helper()
	allowed, err := target.ParseAllowed(text)
	if err != nil {
		t.Fatal(err)
	}
	return allowed
}

func TestRoots(t *testing.T) {
	if pool, err := sender.Roots(nil); pool != nil || err != nil {
		t.Errorf("got %v, %v, want the system's", pool, err)
	}
	if _, err := sender.Roots([]byte("no certificate")); err == nil || errors.Is(err, context.Canceled) {
		t.Error("text without a certificate was accepted")
	}
}

// The deadline covers the whole attempt.
func TestHangingReceiverHitsTheDeadline(t *testing.T) {
	b := newBed(t)
	b.receiver.Behave("/hook", receiver.Must("hang"))
	o := b.options()
	o.Timeout, o.Retries = 200*time.Millisecond, 1
	b.start(o)
	d := b.untilStatus(b.enqueue(b.webhook(b.receiver.URL("/hook"), whsec), "{}"), sender.StatusFailed)
	for _, a := range d.AttemptLog {
		if *a.DurationMS < 200 || *a.DurationMS > 1000 || *a.Error != "no answer within 200ms" {
			t.Errorf("got %d ms, %q", *a.DurationMS, *a.Error)
		}
	}
	if len(d.AttemptLog) != 2 {
		t.Errorf("got %v, want two attempts", texts(d.AttemptLog))
	}
}
