package main

import (
	"syscall"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/deploy/devstack/stack"
)

// The only sidecar is stopped for a minute, as when its machine sleeps or is
// moved: longer than every claim, lead, time limit and sign of life, and longer
// than PostgreSQL leaves its sessions open. It goes on by itself: nothing is
// lost of what was on its way or waited, and nothing of what happened meanwhile,
// nothing is told that was not, and Plausible never waits for it.
func TestPausedForAMinute(t *testing.T) {
	t.Parallel() // It waits most of the time.
	const pause = time.Minute
	w := newWeather(t, stack.TestDatabase(t, stack.V32), stack.TestEvents(t))
	w.receiver.Behave("/flying", receiver.Must("hang"), receiver.Accept)
	w.receiver.Behave("/waiting", receiver.Must("fail:1:503"), receiver.Accept)
	flyingHook := w.addHook(1, "/flying", "")
	w.exec("update plausible_webhooks.webhooks set timeout_seconds = $2 where id = $1", flyingHook, longestTimeout)
	flying, waiting := w.enqueue(flyingHook), w.enqueue(w.addHook(1, "/waiting", ""))
	w.received("/flying", 1, patience)
	w.received("/waiting", 1, patience)

	resume := func() { w.signal(w.process, syscall.SIGCONT) }
	t.Cleanup(func() {
		select {
		case <-w.process.Exited():
		default:
			resume() // Or it could not be stopped.
		}
	})
	var over <-chan time.Time
	w.pass(storm{"paused", func() {
		w.signal(w.process, syscall.SIGSTOP)
		w.leavesPlausibleAlone()
		over = time.After(pause)
	}, func() bool {
		select {
		case <-over:
			w.leavesPlausibleAlone()
			return true
		default:
			return false
		}
	}, resume})

	for _, delivery := range []string{flying, waiting} {
		if status := w.finished(delivery); status != "delivered" {
			t.Errorf("a delivery from before the pause is %s, want delivered", status)
		}
	}
	for path, most := range map[string]int{"/flying": 2, "/waiting": 2} {
		if n := len(w.receiver.Requests(path)); n > most {
			t.Errorf("%s got %d requests, want at most %d", path, n, most)
		}
	}
	w.following()
	w.pass(storm{"as if nothing had been", func() {}, func() bool { return true }, func() {}})
	w.holds()
	if err := w.process.Stop(); err != nil {
		t.Error(err)
	}
}
