package sender

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"plausible-webhooks/config/target"
)

const (
	// ownAddressesAge is how long the addresses of the installation's own
	// servers are remembered; containers seldom move.
	ownAddressesAge = 30 * time.Second

	// ownRetry is when a look-up that failed is repeated. A container that is
	// away has no name, and no address to protect either.
	ownRetry = 5 * time.Second

	// ownLookup bounds one look-up, which attempts may have to wait for.
	ownLookup = 2 * time.Second
)

// ownServer is a server of the installation with the addresses that it had
// when they were last looked up.
type ownServer struct {
	target.OwnServer

	mu      sync.Mutex // Never held during a look-up.
	known   ownAddresses
	failed  bool          // The last look-up did.
	until   time.Time     // When the next one is due.
	looking chan struct{} // Closed when the look-up at work ends; nil: there is none.
}

// ownAddresses are those of an own server.
type ownAddresses struct {
	resolved []netip.Addr

	// machine are all addresses of this machine, where the server is on it: it
	// may answer at each of them, but other servers do, too, so that only its
	// ports count there.
	machine []netip.Addr
}

type resolvedOwn []struct {
	server target.OwnServer
	known  ownAddresses
}

func (r resolvedOwn) covers(addr netip.AddrPort) bool {
	for _, own := range r {
		machine := target.OwnServer{Ports: own.server.Ports}
		if own.server.Covers(addr, own.known.resolved) || own.known.machine != nil && machine.Covers(addr, own.known.machine) {
			return true
		}
	}
	return false
}

func (r resolvedOwn) named(host string, port uint16) bool {
	for _, own := range r {
		if own.server.Named(host, port, own.known.resolved) {
			return true
		}
	}
	return false
}

func (g *guard) resolveOwn(ctx context.Context) resolvedOwn {
	all := make(resolvedOwn, len(g.own))
	for i := range g.own {
		all[i].server, all[i].known = g.own[i].OwnServer, g.own[i].addresses(ctx, g.resolve)
	}
	return all
}

// addresses returns those of the server. Whoever finds them out of date looks
// them up, and others wait for that; but not while the name fails to resolve,
// lest a container that is away holds up all deliveries. Its last known
// addresses count meanwhile.
func (o *ownServer) addresses(ctx context.Context, lookup resolve) ownAddresses {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.looking == nil && !time.Now().Before(o.until) {
		o.look(ctx, lookup)
	}
	for o.looking != nil && !o.failed && ctx.Err() == nil {
		ended := o.looking
		o.mu.Unlock()
		select {
		case <-ended:
		case <-ctx.Done(): // The attempt ends with it.
		}
		o.mu.Lock()
	}
	return o.known
}

// look looks the addresses up, and lets the lock go for it.
func (o *ownServer) look(ctx context.Context, lookup resolve) {
	o.looking = make(chan struct{})
	o.mu.Unlock()
	found, err := find(ctx, o.Host, lookup)
	o.mu.Lock()
	close(o.looking)
	o.looking = nil
	if o.failed = err != nil; o.failed {
		o.until = time.Now().Add(ownRetry)
		return
	}
	o.known, o.until = found, time.Now().Add(ownAddressesAge)
}

// find returns the addresses of a host; an empty one is this machine.
func find(ctx context.Context, host string, lookup resolve) (ownAddresses, error) {
	machine := interfaceAddresses()
	if host == "" {
		return ownAddresses{machine: machine}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, ownLookup)
	defer cancel()
	found, err := lookup(ctx, "ip", host)
	if err != nil {
		return ownAddresses{}, err
	}
	for _, answer := range found {
		if answer.IsLoopback() || answer.IsUnspecified() || here(answer, machine) {
			return ownAddresses{found, machine}, nil
		}
	}
	return ownAddresses{resolved: found}, nil
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
	found := make([]netip.Addr, 0, len(addrs))
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			found = append(found, prefix.Addr())
		}
	}
	return found
}
