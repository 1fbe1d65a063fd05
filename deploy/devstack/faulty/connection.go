package faulty

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// pieceBytes is how much is passed on at once, at most.
const pieceBytes = 32 << 10

// connection is one client's, and the one to the server that it led to.
type connection struct {
	ended    chan struct{} // Closed by reset.
	stranded atomic.Bool   // Nothing passes any more.

	mu     sync.Mutex // Guards what follows.
	client *net.TCPConn
	server *net.TCPConn // Nil until there is one.
}

func newConnection(client *net.TCPConn) *connection {
	return &connection{client: client, ended: make(chan struct{})}
}

// reset ends both sides with an RST. A second call does nothing.
func (c *connection) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.ended:
		return
	default:
		close(c.ended)
	}
	for _, side := range []*net.TCPConn{c.client, c.server} {
		if side != nil {
			_ = side.SetLinger(0) // Fails on one that is gone, as Close does.
			_ = side.Close()
		}
	}
}

// close ends both sides in order, after both have said that they do.
func (c *connection) close() {
	_ = c.client.Close()
	if c.server != nil {
		_ = c.server.Close()
	}
}

// joined gives a connection its server's side, unless it has ended meanwhile.
func (c *connection) joined(server *net.TCPConn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.ended:
		_ = server.Close()
		return false
	default:
		c.server = server
		return true
	}
}

// carry passes a connection on until it ends.
func (p *Proxy) carry(c *connection, fault Fault) {
	defer c.close()
	switch {
	case fault.Reset:
		c.reset()
		return
	case fault.Silent:
		_, _ = io.Copy(io.Discard, c.client) // Until the client goes or is cut.
		return
	}
	dialer := net.Dialer{Timeout: dialLimit}
	server, err := dialer.DialContext(p.ctx, "tcp", p.server)
	if err != nil {
		c.reset() // As a server does that dies; Refuse is for the other case.
		return
	}
	if !c.joined(server.(*net.TCPConn)) {
		return
	}
	var up sync.WaitGroup
	up.Go(func() { p.pass(c, c.client, c.server, fault.CutUp, 0, fault.Delay) })
	p.pass(c, c.server, c.client, fault.CutDown, fault.StallDown, fault.Delay)
	up.Wait()
}

// pass carries bytes one way, until their end or, with a limit above zero,
// until so many were passed on. With a stall above zero the connection is
// stranded after so many.
func (p *Proxy) pass(c *connection, from, to *net.TCPConn, limit, stall int64, delay time.Duration) {
	piece := make([]byte, pieceBytes)
	passed := int64(0)
	for {
		room := piece
		if stall > passed {
			room = piece[:min(int64(len(piece)), stall-passed)]
		}
		n, err := from.Read(room)
		if n > 0 {
			if !p.flow(c, delay) {
				return
			}
			last := limit > 0 && passed+int64(n) >= limit
			if last {
				n = int(limit - passed)
			}
			if _, err := to.Write(piece[:n]); err != nil || last {
				c.reset()
				return
			}
			passed += int64(n)
			if passed == stall {
				c.stranded.Store(true)
			}
		}
		if err == nil {
			continue
		}
		// What drops bytes drops the news of an end as well.
		if p.flow(c, 0) && (!errors.Is(err, io.EOF) || to.CloseWrite() != nil) {
			c.reset()
		}
		return
	}
}

// flow waits for the delay and until nothing is frozen; false is that the
// connection was cut meanwhile.
func (p *Proxy) flow(c *connection, delay time.Duration) bool {
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.ended:
			return false
		}
	}
	p.mu.Lock()
	flowing := p.flowing
	p.mu.Unlock()
	if c.stranded.Load() {
		flowing = nil
	}
	select {
	case <-flowing:
		return true
	case <-c.ended:
		return false
	}
}
