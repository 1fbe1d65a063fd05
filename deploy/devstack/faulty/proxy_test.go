package faulty_test

import (
	"errors"
	"io"
	"net"
	"plausible-webhooks/deploy/devstack/faulty"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestPassesEverything(t *testing.T) {
	server, read := echo(t)
	p := start(t, server)
	conn := dial(t, p)
	const much = 5 << 20 // More than all buffers on the way.
	var sending sync.WaitGroup
	sending.Go(func() {
		_, _ = conn.Write(make([]byte, much))
		_ = conn.CloseWrite() // Only the server's answer to it ends the reading.
	})
	n, err := io.Copy(io.Discard, conn)
	sending.Wait()
	if err != nil || n != much || read.Load() != much {
		t.Errorf("got %d bytes back of %d that arrived, %v, want %d", n, read.Load(), err, much)
	}
}

func TestCut(t *testing.T) {
	server, _ := echo(t)
	p := start(t, server)
	first, second := dial(t, p), dial(t, p)
	for _, conn := range []net.Conn{first, second} {
		say(t, conn, "hello")
		hear(t, conn, "hello")
	}
	if n := p.Cut(); n != 2 {
		t.Errorf("%d connections were cut, want 2", n)
	}
	hearReset(t, first, "")
	hearReset(t, second, "")
	third := dial(t, p)
	say(t, third, "again")
	hear(t, third, "again")
	if n := p.Accepted(); n != 3 {
		t.Errorf("%d connections were accepted, want 3", n)
	}
}

func TestCutAfterBytes(t *testing.T) {
	server, read := echo(t)
	p := start(t, server)
	p.Befall(func(n int) faulty.Fault {
		switch n {
		case 1:
			return faulty.Fault{CutDown: 7}
		case 2:
			return faulty.Fault{CutUp: 5}
		default:
			return faulty.Fault{}
		}
	})
	down := dial(t, p)
	say(t, down, "hello")
	hear(t, down, "hello")
	say(t, down, "again") // The reset may come before the write has returned, but not before two bytes of it.
	hearReset(t, down, "ag")

	before := read.Load()
	up := dial(t, p)
	if _, err := io.WriteString(up, "hello again"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, up); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("got %v, want a reset", err)
	}
	// The server's side may read what has arrived only now.
	deadline := time.After(patience)
	for read.Load()-before < 5 {
		select {
		case <-deadline:
			t.Fatalf("the server read %d bytes, want 5", read.Load()-before)
		case <-time.After(time.Millisecond):
		}
	}
	whole := dial(t, p)
	say(t, whole, "whole")
	hear(t, whole, "whole")
	if got := read.Load() - before; got != 5+5 {
		t.Errorf("the server read %d bytes, want 5 before the cut and 5 later", got)
	}
}

func TestReset(t *testing.T) {
	server, _ := echo(t)
	p := start(t, server)
	p.Befall(always(faulty.Fault{Reset: true}))
	dialReset(t, p)
}

func TestDelay(t *testing.T) {
	server, _ := echo(t)
	p := start(t, server)
	const delay = 50 * time.Millisecond
	p.Befall(always(faulty.Fault{Delay: delay}))
	conn := dial(t, p)
	began := time.Now()
	say(t, conn, "hello")
	hear(t, conn, "hello")
	if took := time.Since(began); took < 2*delay {
		t.Errorf("there and back took %s, want twice %s", took, delay)
	}
}

func TestSilent(t *testing.T) {
	server, read := echo(t)
	p := start(t, server)
	p.Befall(always(faulty.Fault{Silent: true}))
	conn := dial(t, p)
	say(t, conn, "anybody there?")
	hearNothing(t, conn)
	if read.Load() != 0 {
		t.Error("the server heard of it")
	}
	if p.Cut() != 1 {
		t.Error("the silent connection does not count as open")
	}
	hearReset(t, conn, "")
}

func TestFreezeAndThaw(t *testing.T) {
	server, _ := echo(t)
	p := start(t, server)
	present := dial(t, p)
	say(t, present, "hello")
	hear(t, present, "hello")
	p.Freeze()
	p.Freeze() // The same.
	fresh := dial(t, p)
	say(t, present, "one")
	say(t, fresh, "two")
	hearNothing(t, present)
	hearNothing(t, fresh)
	p.Thaw()
	p.Thaw()
	hear(t, present, "one")
	hear(t, fresh, "two")
}

func TestCutWhileFrozen(t *testing.T) {
	server, _ := echo(t)
	p := start(t, server)
	p.Freeze()
	conn := dial(t, p)
	say(t, conn, "hello")
	hearNothing(t, conn)
	p.Cut()
	hearReset(t, conn, "")
}

func TestStrand(t *testing.T) {
	server, read := echo(t)
	p := start(t, server)
	present := dial(t, p)
	say(t, present, "hello")
	hear(t, present, "hello")
	if n := p.Strand(); n != 1 {
		t.Errorf("%d connections were stranded, want 1", n)
	}
	say(t, present, "anybody there?")
	hearNothing(t, present)
	if read.Load() != int64(len("hello")) {
		t.Error("the server heard of it")
	}
	fresh := dial(t, p)
	say(t, fresh, "hello")
	hear(t, fresh, "hello")
	p.Cut()
	hearReset(t, present, "")
}

// The server's side of a stranded connection outlives the client.
func TestStrandedEndIsNotHeardOf(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	p := start(t, listener.Addr().String())
	var sides []net.Conn
	for range 2 {
		conn := dial(t, p)
		server, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = server.Close() })
		say(t, conn, "hello")
		hear(t, server, "hello")
		sides = append(sides, conn, server)
	}
	p.Strand()
	if err := sides[0].Close(); err != nil {
		t.Fatal(err)
	}
	if err := sides[2].(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	if err := sides[2].Close(); err != nil {
		t.Fatal(err)
	}
	hearNothing(t, sides[1])
	hearNothing(t, sides[3])
}

func TestRefuseAndAccept(t *testing.T) {
	server, _ := echo(t)
	p := start(t, server)
	present, address := dial(t, p), p.Addr()
	p.Refuse()
	if conn, err := net.Dial("tcp4", address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v, %v, want connection refused", conn, err)
	}
	say(t, present, "still here")
	hear(t, present, "still here")
	if err := p.Accept(); err != nil {
		t.Fatal(err)
	}
	fresh := dial(t, p)
	say(t, fresh, "hello")
	hear(t, fresh, "hello")
	if p.Addr() != address {
		t.Errorf("the address became %s, want %s", p.Addr(), address)
	}
}

func TestServerThatIsAway(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, listener.Addr().String())
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	dialReset(t, p)
}

// A reset by one side is no orderly end for the other.
func TestPassesResets(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	p := start(t, listener.Addr().String())
	conn := dial(t, p)
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	hearReset(t, conn, "")
}

func TestStopTwiceEndsAll(t *testing.T) {
	server, _ := echo(t)
	p := start(t, server)
	conn := dial(t, p)
	say(t, conn, "hello")
	hear(t, conn, "hello")
	p.Stop()
	p.Stop()
	hearReset(t, conn, "")
	if n := p.Open(); n != 0 {
		t.Errorf("%d connections are left, want none", n)
	}
	if err := p.Accept(); err == nil {
		t.Error("a stopped proxy accepts again")
	}
}
