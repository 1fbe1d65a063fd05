package sender

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"plausible-webhooks/config/target"
)

var errNoSuchHost = &net.DNSError{Err: "no such host", IsNotFound: true}

// guardOf returns a guard of own servers, with look-ups that are counted.
func guardOf(lookup resolve, own ...target.OwnServer) (g *guard, lookups *atomic.Int64) {
	lookups = new(atomic.Int64)
	o := Defaults()
	o.Own = own
	return newGuard(o, func(ctx context.Context, network, host string) ([]netip.Addr, error) {
		lookups.Add(1)
		return lookup(ctx, network, host)
	}), lookups
}

// A container that is away, and whose name hangs, must not hold up deliveries
// to everybody else.
func TestOwnLookupsHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		g, lookups := guardOf(hang, target.OwnServer{Host: "plausible", Ports: []uint16{8000}})
		attempts := func(n int) (least, most time.Duration) {
			took := make(chan time.Duration, n)
			began := time.Now()
			for range n {
				go func() {
					g.resolveOwn(context.Background())
					took <- time.Since(began)
				}()
			}
			least = time.Hour
			for range n {
				d := <-took
				least, most = min(least, d), max(most, d)
			}
			return least, most
		}
		if _, most := attempts(50); most != ownLookup || lookups.Load() != 1 {
			t.Errorf("at first: got %s and %d look-ups, want one for all", most, lookups.Load())
		}
		time.Sleep(ownRetry - time.Second)
		if _, most := attempts(50); most != 0 || lookups.Load() != 1 {
			t.Errorf("soon after: got %s and %d look-ups, want no other one", most, lookups.Load())
		}
		time.Sleep(time.Second)
		if least, most := attempts(50); least != 0 || most != ownLookup || lookups.Load() != 2 {
			t.Errorf("later: got %s to %s and %d look-ups, want one attempt to look, others not to wait", least, most, lookups.Load())
		}
	})
}

func TestOwnAddressesAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, moved := netip.MustParseAddrPort("172.18.0.2:5432"), netip.MustParseAddrPort("172.18.0.9:5432")
		answer, problem := old.Addr(), error(nil)
		g, lookups := guardOf(func(context.Context, string, string) ([]netip.Addr, error) { return []netip.Addr{answer}, problem },
			target.OwnServer{Host: "db", Ports: []uint16{5432}})
		check := func(when string, addr netip.AddrPort, want int64) {
			t.Helper()
			if !g.resolveOwn(t.Context()).covers(addr) || lookups.Load() != want {
				t.Errorf("%s: %s is not an own one, or after %d look-ups, want %d", when, addr, lookups.Load(), want)
			}
		}
		check("at first", old, 1)
		time.Sleep(ownAddressesAge - time.Second)
		answer = moved.Addr()
		check("remembered", old, 1)
		time.Sleep(time.Second)
		check("moved", moved, 2)
		problem = errNoSuchHost
		time.Sleep(ownAddressesAge)
		check("away, the last known", moved, 3)
		answer, problem = old.Addr(), nil
		time.Sleep(ownRetry)
		check("back", old, 4)
	})
}

// A server on this machine answers at each address of the machine.
func TestOwnServersOfThisMachine(t *testing.T) {
	for _, host := range []string{"", "localhost"} {
		g, _ := guardOf(answering(netip.MustParseAddr("127.0.0.1")), target.OwnServer{Host: host, Ports: []uint16{5432}, WholeHost: host != ""})
		own := g.resolveOwn(t.Context())
		for _, addr := range append(interfaceAddresses(), netip.MustParseAddr("127.0.0.9"), netip.MustParseAddr("::1"), netip.MustParseAddr("0.0.0.0")) {
			if !own.covers(netip.AddrPortFrom(addr, 5432)) || own.covers(netip.AddrPortFrom(addr, 5433)) {
				t.Errorf("%q: at %s want its port refused, and no other one", host, addr)
			}
		}
		if own.covers(netip.MustParseAddrPort("192.0.2.7:5432")) {
			t.Errorf("%q: another machine is refused", host)
		}
	}
}

// What does not resolve at this moment is refused by its name, whatever is
// allowed; and so where a proxy resolves names.
func TestOwnServersAreRefusedByName(t *testing.T) {
	allowed, err := target.ParseAllowed("10.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	named, err := target.ParseAllowed("plausible")
	if err != nil {
		t.Fatal(err)
	}
	o := Defaults()
	o.Rules.AllowedTargets = []target.Allowed{allowed, named}
	o.Own = []target.OwnServer{{Host: "Plausible", Ports: []uint16{8000}}, {Host: "10.1.2.3", Ports: []uint16{5432}, WholeHost: true}}
	nothing := func(_ context.Context, _, host string) ([]netip.Addr, error) {
		if addr, err := netip.ParseAddr(host); err == nil {
			return []netip.Addr{addr}, nil
		}
		return nil, errNoSuchHost
	}
	dial := newGuard(o, nothing).dial("http", o.Timeout)
	if _, err := dial(t.Context(), "tcp", "plausible:8000"); !errors.Is(err, errNotAllowed) {
		t.Errorf("got %v, want the one text", err)
	}
	if _, err := dial(t.Context(), "tcp", "plausible:8003"); errors.Is(err, errNotAllowed) {
		t.Errorf("got %v for another port, want it to be looked up", err)
	}
	o.Proxy = &url.URL{Scheme: "http", Host: "proxy:3128"}
	transport := newTransport(o, nothing)
	for raw, want := range map[string]bool{
		"http://plausible:8000/x": true, "http://plausible:8003/x": false, "http://10.1.2.3:443/": true, "http://[::ffff:10.1.2.3]:443/": true, "http://10.1.2.4:443/": false,
	} {
		_, refused := transport.parse(t.Context(), raw)
		if (refused != nil) != want || want && (!refused.hopeless || refused.problem != errNotAllowed.Error()) {
			t.Errorf("%s by a proxy: got %+v, want it refused: %t", raw, refused, want)
		}
	}
}

// A name that does not answer takes no longer than the timeout, and leaves
// nothing behind.
func TestLookupEndsWithTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		began := time.Now()
		_, err := newGuard(Defaults(), hang).dial("https", time.Second)(context.Background(), "tcp", "hooks.example:443")
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
			t.Errorf("got %v after %s, want the timeout", err, took)
		}
	})
}
