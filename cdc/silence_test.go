package cdc

import (
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/stack"
)

// firewall forwards connections to a server until it is told to forget them: it
// then passes nothing on and closes nothing, as a NAT gateway does. Connections
// made afterwards work.
type firewall struct {
	listener net.Listener
	target   string

	work  sync.WaitGroup
	mu    sync.Mutex
	conns []net.Conn
	era   chan struct{} // Closed when the present connections are forgotten.
}

// newFirewall returns one in front of the server of a URL, and the URL that
// leads through it.
func newFirewall(t *testing.T, to string) (*firewall, string) {
	t.Helper()
	address, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &firewall{listener: listener, target: address.Host, era: make(chan struct{})}
	f.work.Go(f.accept)
	t.Cleanup(f.close)
	address.Host = listener.Addr().String()
	return f, address.String()
}

func (f *firewall) accept() {
	for {
		near, err := f.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", f.target)
		if err != nil {
			near.Close()
			continue
		}
		f.mu.Lock()
		f.conns = append(f.conns, near, far)
		era := f.era
		f.mu.Unlock()
		f.work.Go(func() { f.forward(near, far, era) })
		f.work.Go(func() { f.forward(far, near, era) })
	}
}

func (f *firewall) forward(to io.WriteCloser, from io.Reader, era chan struct{}) {
	_, _ = io.Copy(forgetful{to, era}, from)
	select {
	case <-era: // Nobody learns that the connection is of no use.
	default:
		to.Close()
	}
}

// forgetful swallows everything once its era is over.
type forgetful struct {
	io.Writer
	era chan struct{}
}

func (w forgetful) Write(p []byte) (int, error) {
	select {
	case <-w.era:
		return len(p), nil
	default:
		return w.Writer.Write(p)
	}
}

func (f *firewall) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.era)
	f.era = make(chan struct{})
}

func (f *firewall) close() {
	f.listener.Close()
	f.mu.Lock()
	for _, conn := range f.conns {
		conn.Close()
	}
	f.mu.Unlock()
	f.work.Wait()
}

func TestSilentConnectionIsGivenUp(t *testing.T) {
	w := newWorld(t, stack.V32)
	wall, through := newFirewall(t, w.url)
	pace := rhythm{status: 50 * time.Millisecond, ask: 100 * time.Millisecond, dead: time.Second, write: time.Second}
	f := followAt(t, through, Options{}, pace)
	f.replicates()
	// A quiet connection is no silent one: the server answers when asked.
	quiet := f.Status().Confirmed
	eventually(t, "two seconds of quiet", func() bool { return f.Status().Confirmed.Sub(quiet) > 2*pace.dead })
	if n := f.sessions(); n != 1 {
		t.Fatalf("there were %d sessions, want 1", n)
	}

	wall.forget()
	site := w.site("a.example")
	f.seesSite(patience, site, true)
	f.until(patience, "a second session", func() bool { return f.sessions() == 2 })
	f.replicates()
	if warnings := f.log.warnings(); len(warnings) != 1 || !strings.Contains(warnings[0], "no sign of life for 1s") {
		t.Errorf("warnings are %q, want one about the silence", warnings)
	}
}

// The ordinary connection is forgotten together with the stream, and in use at
// that moment: nobody waits for its answer until the time limit of a task.
func TestSilenceEndsWhatGoesOnBesideTheStream(t *testing.T) {
	w := newWorld(t, stack.V32)
	wall, through := newFirewall(t, w.url)
	pace := rhythm{status: 50 * time.Millisecond, ask: 100 * time.Millisecond, dead: time.Second, write: time.Second}
	f := followAt(t, through, Options{ReconcileInterval: 20 * time.Millisecond}, pace) // Always at work.
	f.replicates()
	wall.forget()
	site := w.site("a.example")
	f.seesSite(taskTimeout/2, site, true)
	f.replicates()
	if warnings := f.log.warnings(); len(warnings) != 1 || !strings.Contains(warnings[0], "no sign of life for 1s") {
		t.Errorf("warnings are %q, want one about the silence", warnings)
	}
}

func TestWaitForAPositionEndsWithTheSession(t *testing.T) {
	session := &live{moved: make(chan struct{}, 1), over: make(chan struct{})}
	session.advance(10)
	if err := session.reached(t.Context(), 10); err != nil {
		t.Errorf("a position that is passed: %v", err)
	}
	close(session.over)
	if err := session.reached(t.Context(), 11); err == nil {
		t.Errorf("a session that ended: %v, want an error", err)
	}
}
