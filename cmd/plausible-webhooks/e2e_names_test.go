package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"plausible-webhooks/deploy/devstack/faulty"
	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/deploy/devstack/stack"

	"golang.org/x/net/dns/dnsmessage"
)

// answer is how a name server treats questions.
type answer string

const (
	loopback   answer = "an address" // As it should be.
	noSuchName answer = "no such name"
	noAddress  answer = "no address" // Though the name is there.
	serverFail answer = "server failure"
	noAnswer   answer = "no answer"
)

// names is the name server of a sidecar.
type names struct {
	socket  net.PacketConn
	answers sync.Map // Of a name, without its final dot.
	asked   sync.Map // Questions so far, by name: *atomic.Int64.
}

// listenForNames starts a name server where resolvers look for one: at port 53,
// of a loopback address that nobody else uses.
func listenForNames() (n *names, at string, err error) {
	for last := 53; last < 250; last++ {
		at = fmt.Sprintf("127.0.53.%d", last)
		var socket net.PacketConn
		if socket, err = net.ListenPacket("udp4", at+":53"); err == nil {
			return &names{socket: socket}, at, nil
		}
	}
	return nil, "", err
}

func (n *names) serve() {
	packet := make([]byte, 1<<10)
	for {
		size, from, err := n.socket.ReadFrom(packet)
		if err != nil {
			return // Closed.
		}
		if reply := n.reply(packet[:size]); reply != nil {
			_, _ = n.socket.WriteTo(reply, from) // Who is gone needs none.
		}
	}
}

// reply is nil where there is none.
func (n *names) reply(packet []byte) []byte {
	var message dnsmessage.Message
	if message.Unpack(packet) != nil || len(message.Questions) != 1 {
		return nil
	}
	question := message.Questions[0]
	name := strings.TrimSuffix(question.Name.String(), ".")
	count, _ := n.asked.LoadOrStore(name, new(atomic.Int64))
	count.(*atomic.Int64).Add(1)
	message.Response, message.RecursionAvailable, message.Additionals = true, true, nil
	told, known := n.answers.Load(name)
	switch {
	case !known || told == noSuchName:
		message.RCode = dnsmessage.RCodeNameError
	case told == serverFail:
		message.RCode = dnsmessage.RCodeServerFailure
	case told == noAnswer:
		return nil
	case told == loopback && question.Type == dnsmessage.TypeA:
		message.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: question.Name, Class: question.Class}, // For no second longer.
			Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
		}}
	}
	reply, err := message.Pack()
	if err != nil {
		return nil
	}
	return reply
}

// answer has names treated in a way from now on.
func (n *names) answer(how answer, names ...string) {
	for _, name := range names {
		n.answers.Store(name, how)
	}
}

// several is how many questions show that a name is asked for again and again: each
// try takes two, for either family of addresses.
const several = 4

// questions is a condition: a name was asked for several times since now.
func (n *names) questions(name string) func() bool {
	count, _ := n.asked.LoadOrStore(name, new(atomic.Int64))
	before := count.(*atomic.Int64).Load()
	return func() bool { return count.(*atomic.Int64).Load() >= before+several }
}

// withNames starts a name server, and returns a program that runs the sidecar and
// has it ask no other: in mounts of its own, where /etc holds nothing else.
func withNames(t *testing.T) (n *names, program string) {
	t.Helper()
	binary, err := builtProgram()
	check(t, err)
	n, at, err := listenForNames()
	if err != nil {
		onlyHere(t, fmt.Sprintf("only root may listen where resolvers ask: %v", err))
	}
	var serving sync.WaitGroup
	serving.Go(n.serve)
	t.Cleanup(func() {
		_ = n.socket.Close()
		serving.Wait()
	})
	dir := t.TempDir()
	etc := filepath.Join(dir, "etc")
	check(t, os.Mkdir(etc, 0o755))
	check(t, os.WriteFile(filepath.Join(etc, "resolv.conf"), []byte("nameserver "+at+"\noptions ndots:0\n"), 0o644)) // As Docker writes it.
	check(t, os.WriteFile(filepath.Join(etc, "hosts"), []byte("127.0.0.1 localhost\n"), 0o644))
	program = filepath.Join(dir, "plausible-webhooks")
	// Each part takes the place of the one before: one process, that can be stopped.
	script := fmt.Sprintf("#!/bin/sh\nexec unshare --mount /bin/sh -c 'mount --bind %s /etc && exec %s \"$@\"' sh \"$@\"\n", etc, binary)
	written := filepath.Join(dir, "script")
	check(t, os.WriteFile(written, []byte(script), 0o755))
	// Copied by another process: what this one has written, children of it that are
	// being started at the moment may hold open, and then it is busy.
	check(t, exec.CommandContext(t.Context(), "cp", written, program).Run())
	if out, err := exec.CommandContext(t.Context(), program, "version").CombinedOutput(); err != nil {
		onlyHere(t, fmt.Sprintf("nothing can have mounts of its own: %v: %s", err, out))
	}
	return n, program
}

// onlyHere skips a test for a reason that holds on some machines, but not on CI.
func onlyHere(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s (CI is set)", reason)
	}
	t.Skip(reason)
}

// Names of PostgreSQL, ClickHouse and a receiver do not resolve for a while, and
// connections that are there, and need no name, break.
func TestWeatherOfNames(t *testing.T) {
	t.Parallel() // It waits most of the time.
	servers, program := withNames(t)
	database, events := stack.TestDatabase(t, stack.V32), stack.TestEvents(t)
	ofReceiver := receiver.Hosts[0] // Which its certificate is for.
	all := []string{"plausible_db", "plausible_events_db", ofReceiver}
	servers.answer(loopback, all...)
	world := newWorld(t, database, events)
	cut := map[string]*faulty.Proxy{}
	for i, server := range []string{database, events, world.receiver.URL("/")} {
		cut[all[i]] = newFaultyProxy(t, hostOf(t, server))
	}
	named := func(name string) string {
		_, port, err := net.SplitHostPort(cut[name].Addr())
		check(t, err)
		return net.JoinHostPort(name, port)
	}
	world.program, world.hooks = program, named(ofReceiver)
	w := world.weather("GODEBUG=netdns=go", // As in the image, which has no other resolver.
		"DATABASE_URL="+strings.Replace(database, hostOf(t, database), named(all[0]), 1)+"&connect_timeout=2",
		"CLICKHOUSE_DATABASE_URL="+strings.Replace(events, hostOf(t, events), named(all[1]), 1))

	felt := map[string]func() func() bool{
		all[0]: func() func() bool { return func() bool { return !w.readiness().Config.Healthy } },
		all[1]: func() func() bool { return w.world.since("plausible_webhooks_evaluation_unanswered_total", 1) },
		ofReceiver: func() func() bool {
			failed := func() int {
				return value[int](w.world, "select count(*) from plausible_webhooks.webhook_delivery_attempts where error like '%resolve%' or error like 'no connection within%'")
			}
			before := failed()
			return func() bool { return failed() > before }
		},
	}
	gone := func(how answer, names ...string) storm {
		var asked, missed func() bool
		return storm{fmt.Sprintf("%s for %s", how, strings.Join(names, " and ")), func() {
			servers.answer(how, names...)
			asked, missed = servers.questions(names[0]), felt[names[0]]()
			for _, name := range names {
				cut[name].Cut()
			}
		}, func() bool { return asked() && missed() }, func() { servers.answer(loopback, names...) }}
	}
	for _, how := range []answer{noSuchName, serverFail, noAnswer} {
		for _, name := range all {
			w.pass(gone(how, name))
		}
	}
	w.pass(gone(noAddress, all...)) // Felt where PostgreSQL is, which is asked first.
	w.holds()
	if err := w.process.Stop(); err != nil {
		t.Error(err)
	}
}
