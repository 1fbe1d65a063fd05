package faulty

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// dialLimit bounds the connection to the server, which is on this machine.
const dialLimit = 5 * time.Second

// Fault is what befalls one connection. The zero value is none.
type Fault struct {
	// Reset cuts the connection as soon as it is accepted.
	Reset bool
	// Silent accepts it and never answers: what the client sends vanishes, and
	// the server hears nothing of it.
	Silent bool
	// Delay is how much later than it came each piece of up to 32 KiB is passed
	// on, piece after piece.
	Delay time.Duration
	// CutUp and CutDown reset the connection once exactly so many bytes have
	// been passed on to the server, or to the client; zero: never.
	CutUp, CutDown int64
	// StallDown strands the connection, as Strand does, once exactly so many
	// bytes have been passed on to the client; zero: never.
	StallDown int64
}

// Proxy passes connections on to one server. Its methods may be called from
// several goroutines.
type Proxy struct {
	server  string
	address string
	all     sync.WaitGroup
	ctx     context.Context // Ends with Stop.
	cancel  context.CancelFunc

	mu       sync.Mutex // Guards what follows.
	listener net.Listener
	befall   func(connection int) Fault
	accepted int
	open     map[*connection]struct{}
	flowing  chan struct{} // Closed unless frozen.
	stopped  bool
}

// Start listens on a free port of 127.0.0.1 for connections to a server
// (host:port), which need not be there yet. Stop ends it.
func Start(server string) (*Proxy, error) {
	flowing := make(chan struct{})
	close(flowing)
	ctx, cancel := context.WithCancel(context.Background())
	p := &Proxy{
		server: server, address: "127.0.0.1:0", ctx: ctx, cancel: cancel,
		open: make(map[*connection]struct{}), flowing: flowing,
	}
	if err := p.Accept(); err != nil {
		cancel()
		return nil, err
	}
	return p, nil
}

// Addr is where clients connect, as host:port. It stays the same.
func (p *Proxy) Addr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.address
}

// Befall sets what befalls connections from now on. The function is called for
// each of them in turn, with its number, counted from 1 over the proxy's life;
// nil is no fault.
func (p *Proxy) Befall(fault func(connection int) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.befall = fault
}

// Cut resets all connections that are open, and returns how many there were.
func (p *Proxy) Cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.reset()
	}
	return len(p.open)
}

// Freeze stops all bytes, of present connections and of those to come, without
// ending any: as when packets are dropped on the way. Thaw lets them pass, also
// those that came meanwhile.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flowing:
		p.flowing = make(chan struct{})
	default: // Frozen already.
	}
}

// Thaw ends Freeze.
func (p *Proxy) Thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flowing:
	default:
		close(p.flowing)
	}
}

// Strand has the connections that are open pass nothing any more, without
// ending them: as when a firewall has forgotten them. If one side ends its own,
// the other does not hear of it. Connections to come are not affected. It
// returns how many there were.
func (p *Proxy) Strand() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.stranded.Store(true)
	}
	return len(p.open)
}

// Refuse has new connections refused, as where nobody listens. Those that are
// open stay; see Cut.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		_ = p.listener.Close() // Nothing of it is left either way.
		p.listener = nil
	}
}

// Accept ends Refuse. The error is that somebody else took the port meanwhile.
func (p *Proxy) Accept() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return errors.New("accept connections: the proxy was stopped")
	}
	if p.listener != nil {
		return nil
	}
	listener, err := net.Listen("tcp4", p.address)
	if err != nil {
		return fmt.Errorf("listen for connections to %s: %w", p.server, err)
	}
	p.listener, p.address = listener, listener.Addr().String()
	p.all.Go(func() { p.serve(listener) })
	return nil
}

// Accepted is how many connections have been accepted so far.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Open is how many connections there are.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}

// Stop resets everything and waits until nothing of the proxy is left. It may
// be called twice.
func (p *Proxy) Stop() {
	p.Refuse()
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	p.cancel()
	p.Cut()
	p.all.Wait()
}

// serve accepts until the listener is closed.
func (p *Proxy) serve(listener net.Listener) {
	for {
		accepted, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // That one client's trouble.
		}
		c := newConnection(accepted.(*net.TCPConn))
		fault, ok := p.add(c)
		if !ok {
			c.reset()
			return
		}
		p.all.Go(func() {
			defer p.remove(c)
			p.carry(c, fault)
		})
	}
}

// add counts a connection and decides about it. It is not ok after Stop.
func (p *Proxy) add(c *connection) (fault Fault, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return Fault{}, false
	}
	p.accepted++
	p.open[c] = struct{}{}
	if p.befall != nil {
		fault = p.befall(p.accepted)
	}
	return fault, true
}

func (p *Proxy) remove(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
}
