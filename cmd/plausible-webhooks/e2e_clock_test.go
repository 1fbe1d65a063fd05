package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/deploy/devstack/stack"
)

// clockVariable names a file that holds, in 8 bytes, by how many seconds the
// clock of the program is off.
const clockVariable = "TESTED_CLOCK"

// steppingClock is added to package time of the program under test: the clock
// of a machine cannot be stepped for one process.
const steppingClock = `package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

var stepped = func() *int64 {
	path, ok := syscall.Getenv("` + clockVariable + `")
	if !ok {
		return new(int64)
	}
	file, err := syscall.Open(path, syscall.O_RDONLY, 0)
	if err != nil {
		panic("open ` + clockVariable + `: " + err.Error())
	}
	page, err := syscall.Mmap(file, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic("map ` + clockVariable + `: " + err.Error())
	}
	return (*int64)(unsafe.Pointer(&page[0]))
}()

func off() int64 { return atomic.LoadInt64(stepped) }
`

// withClock builds the program with a clock that can be stepped: all its code,
// that of Go's TLS and HTTP and of the drivers as well, takes the time of day
// from it. The other clock, which measures durations, is as it was.
func withClock(t *testing.T) (program string, step func(by time.Duration), environ string) {
	t.Helper()
	dir := t.TempDir()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	check(t, err)
	original := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	source, err := os.ReadFile(original)
	check(t, err)
	before, now, found := strings.Cut(string(source), "func Now() Time {\n")
	const read = "sec, nsec, mono := runtimeNow()\n"
	if !found || !strings.Contains(now, read) {
		t.Fatalf("time.Now of %s has changed: have it step some other way", original)
	}
	now = strings.Replace(now, read, read+"sec += off()\n", 1)
	patched, added := filepath.Join(dir, "time.go"), filepath.Join(dir, "stepped.go")
	check(t, os.WriteFile(patched, []byte(before+"func Now() Time {\n"+now), 0o644))
	check(t, os.WriteFile(added, []byte(steppingClock), 0o644))
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		original: patched, filepath.Join(filepath.Dir(original), "stepped.go"): added,
	}})
	check(t, err)
	list := filepath.Join(dir, "overlay.json")
	check(t, os.WriteFile(list, overlay, 0o644))
	program = filepath.Join(dir, "plausible-webhooks")
	build := exec.CommandContext(t.Context(), "go", "build", "-overlay", list, "-o", program, "plausible-webhooks/cmd/plausible-webhooks")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build with a clock that can be stepped: %v\n%s", err, out)
	}
	clock := filepath.Join(dir, "clock")
	step = func(by time.Duration) {
		t.Helper()
		file, err := os.OpenFile(clock, os.O_CREATE|os.O_WRONLY, 0o644) // Never cut: the program has it mapped.
		check(t, err)
		_, err = file.Write(binary.NativeEndian.AppendUint64(nil, uint64(int64(by/time.Second))))
		check(t, err)
		check(t, file.Close())
	}
	step(0)
	return program, step, clockVariable + "=" + clock
}

// The clock of the sidecar steps forth and back; those of PostgreSQL and
// ClickHouse do not. What is due, claimed and counted is told by theirs, and how
// long something takes by no time of day: nothing changes but the time in
// signatures, which is the sidecar's own.
//
// That ClickHouse's clock is another one, or steps, is what TestClockOfClickHouse…
// of evaluator are about, and what is old TestWhatIsOldIsToldByTheDatabase of sender.
func TestWeatherOfTheClock(t *testing.T) {
	t.Parallel() // It waits most of the time.
	program, step, environ := withClock(t)
	world := newWorld(t, stack.TestDatabase(t, stack.V32), stack.TestEvents(t))
	world.program = program
	w := world.weather(environ)
	for i, s := range []struct {
		name string
		off  time.Duration
	}{
		{"two hours ahead", 2 * time.Hour}, {"two hours behind", -2 * time.Hour}, {"a minute behind", -time.Minute},
		{"forty days ahead", 40 * 24 * time.Hour}, {"right again", 0},
	} {
		waiting, flying := w.across(fmt.Sprintf("/waiting%d", i), "fail:1:503"), w.across(fmt.Sprintf("/flying%d", i), "slow:2s")
		w.pass(storm{s.name, func() { step(s.off) }, func() bool {
			p := w.patches[len(w.patches)-1]
			requests := w.receiver.Requests(p.path)
			if w.tally(p.path).conversions < p.completed {
				return false
			}
			last := requests[len(requests)-1]
			if ahead := signedAt(t, last).Sub(last.At); (ahead - s.off).Abs() > patience {
				t.Errorf("the newest request was signed %s after it came, want %s", ahead, s.off)
			}
			return true
		}, func() {}})
		for id, want := range map[string]int{waiting: 2, flying: 1} {
			if status := w.finished(id); status != "delivered" {
				t.Errorf("%s: a delivery from before the step is %s", s.name, status)
			}
			if n := value[int](w.world, "select attempts from plausible_webhooks.webhook_deliveries where id = $1::uuid", id); n != want {
				t.Errorf("%s: a delivery from before the step took %d attempts, want %d", s.name, n, want)
			}
		}
		tries := w.receiver.Requests(fmt.Sprintf("/waiting%d", i))
		if waited := tries[1].At.Sub(tries[0].At); waited < time.Second {
			t.Errorf("%s: tried again after %s, want a second at least", s.name, waited)
		}
	}
	if n := value[int](w.world, "select count(*) from plausible_webhooks.webhook_delivery_attempts where duration_ms not between 0 and 60000"); n > 0 {
		t.Errorf("%d attempts took negative time, or hours", n)
	}
	w.holds()
	if err := w.process.Stop(); err != nil {
		t.Error(err)
	}
}

// across queues a delivery and waits until it is tried, so that what follows
// meets it in its midst.
func (w *weather) across(path, behaviour string) (delivery string) {
	w.t.Helper()
	w.receiver.Behave(path, receiver.Must(behaviour))
	delivery = w.enqueue(w.addHook(1, path, ""))
	w.received(path, 1, patience)
	return delivery
}

func signedAt(t *testing.T, request receiver.Request) time.Time {
	t.Helper()
	seconds, err := strconv.ParseInt(request.Header.Get("webhook-timestamp"), 10, 64)
	check(t, err)
	return time.Unix(seconds, 0)
}
