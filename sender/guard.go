package sender

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"plausible-webhooks/config/target"
)

// errNotAllowed is the one text for every refused address: nobody learns the
// operator's network from differences between errors.
var errNotAllowed = errors.New("address not allowed")

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

// dial returns the dial function of the connections of one scheme; look-up and
// connection may not take longer than the timeout in all.
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
		own := g.resolveOwn(ctx) // Bounds itself, lest an impatient webhook spoils what others need to know.
		// net/http dials without the deadline of the request.
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		if own.named(host, port) {
			return nil, errNotAllowed
		}
		allows := func(addr netip.AddrPort) bool {
			return g.rules.AllowsAddr(scheme, host, addr) == nil && !own.covers(addr)
		}
		answers, err := g.resolve(ctx, "ip", host)
		if err != nil {
			return nil, fmt.Errorf("resolve: %w", err)
		}
		for _, answer := range answers {
			if !allows(netip.AddrPortFrom(answer, port)) {
				return nil, errNotAllowed
			}
		}
		var refused atomic.Bool // Of several addresses, the dialer reports the first that fails, for whatever reason.
		dialer := net.Dialer{
			Control: func(_, address string, _ syscall.RawConn) error {
				if addr, err := netip.ParseAddrPort(address); err != nil || !allows(addr) {
					refused.Store(true)
					return errNotAllowed
				}
				return nil
			},
		}
		conn, err := dialer.DialContext(ctx, network, address)
		if refused.Load() {
			if err == nil {
				_ = conn.Close()
			}
			return nil, errNotAllowed
		}
		return conn, err
	}
}

// checkLiteral refuses own servers where a proxy would do the dialling, as far
// as the URL itself tells.
func (g *guard) checkLiteral(ctx context.Context, u target.URL) error {
	own := g.resolveOwn(ctx)
	addr, err := netip.ParseAddr(u.Host())
	if err == nil && own.covers(netip.AddrPortFrom(addr, u.Port())) || own.named(u.Host(), u.Port()) {
		return errNotAllowed
	}
	return nil
}
