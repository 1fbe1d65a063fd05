package sender

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"plausible-webhooks/config/target"
)

// errNotAllowed is the one text for every refused address: nobody learns the
// operator's network from differences between errors.
var errNotAllowed = errors.New("address not allowed")

// ownAddressesAge is how long the addresses of the installation's own servers
// are remembered; containers seldom move.
const ownAddressesAge = 30 * time.Second

// resolve looks a name up; net.DefaultResolver.LookupNetIP outside tests.
type resolve func(ctx context.Context, network, host string) ([]netip.Addr, error)

// guard connects to receivers, and only where the rules allow it. It asks for
// every answer of a name before it dials, and again for the very address that
// the system connects to, so that a name which changes between the two is
// refused as well.
type guard struct {
	rules   target.Rules
	own     []ownServer
	resolve resolve
}

func newGuard(o Options, lookup resolve) *guard {
	if lookup == nil {
		lookup = net.DefaultResolver.LookupNetIP
	}
	g := &guard{rules: o.Rules, resolve: lookup, own: make([]ownServer, len(o.Own))}
	for i, server := range o.Own {
		g.own[i].OwnServer = server
	}
	return g
}

// dial returns the dial function of the connections of one scheme; no
// connection may take longer than the timeout.
func (g *guard) dial(scheme string, timeout time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, portText, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("split %q: %w", address, err)
		}
		port, ok := target.ParsePort(portText)
		if !ok {
			return nil, errNotAllowed
		}
		own := g.resolveOwn(ctx)
		check := func(addr netip.AddrPort) error {
			if g.rules.AllowsAddr(scheme, host, addr) != nil || own.covers(addr) {
				return errNotAllowed
			}
			return nil
		}
		answers, err := g.resolve(ctx, "ip", host)
		if err != nil {
			return nil, fmt.Errorf("resolve: %w", err)
		}
		for _, answer := range answers {
			if err := check(netip.AddrPortFrom(answer, port)); err != nil {
				return nil, err
			}
		}
		dialer := net.Dialer{
			Timeout: timeout,
			Control: func(_, address string, _ syscall.RawConn) error {
				addr, err := netip.ParseAddrPort(address)
				if err != nil {
					return errNotAllowed
				}
				return check(addr)
			},
		}
		return dialer.DialContext(ctx, network, address)
	}
}

// checkLiteral refuses own servers where a proxy would do the dialling, as far
// as the URL itself tells the address.
func (g *guard) checkLiteral(ctx context.Context, u target.URL) error {
	addr, err := netip.ParseAddr(u.Host())
	if err == nil && g.resolveOwn(ctx).covers(netip.AddrPortFrom(addr, u.Port())) {
		return errNotAllowed
	}
	return nil
}

// ownServer is a server of the installation with the addresses that it had
// when they were last looked up.
type ownServer struct {
	target.OwnServer

	mu       sync.Mutex
	resolved []netip.Addr
	at       time.Time
}

type resolvedOwn []struct {
	server   target.OwnServer
	resolved []netip.Addr
}

func (r resolvedOwn) covers(addr netip.AddrPort) bool {
	for _, own := range r {
		if own.server.Covers(addr, own.resolved) {
			return true
		}
	}
	return false
}

func (g *guard) resolveOwn(ctx context.Context) resolvedOwn {
	all := make(resolvedOwn, len(g.own))
	for i := range g.own {
		all[i].server, all[i].resolved = g.own[i].OwnServer, g.own[i].addresses(ctx, g.resolve)
	}
	return all
}

// addresses returns those of the server. Where a name does not resolve now,
// the last known ones still count.
func (o *ownServer) addresses(ctx context.Context, lookup resolve) []netip.Addr {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.at.IsZero() && time.Since(o.at) < ownAddressesAge {
		return o.resolved
	}
	local := interfaceAddresses()
	found := local
	if o.Host != "" {
		answers, err := lookup(ctx, "ip", o.Host)
		if err != nil {
			return o.resolved
		}
		found = answers
		for _, answer := range answers {
			if here(answer, local) {
				found = append(found, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
				break
			}
		}
	}
	o.resolved, o.at = found, time.Now()
	return found
}

func here(addr netip.Addr, local []netip.Addr) bool {
	for _, l := range local {
		if l.Unmap() == addr.Unmap() {
			return true
		}
	}
	return false
}

func interfaceAddresses() []netip.Addr {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var found []netip.Addr
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			found = append(found, prefix.Addr())
		}
	}
	return found
}
