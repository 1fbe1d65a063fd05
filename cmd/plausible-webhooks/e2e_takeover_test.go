package main

import (
	"syscall"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/receiver"
	process "plausible-webhooks/deploy/devstack/sidecar"
	"plausible-webhooks/deploy/devstack/stack"
)

// longestTimeout is the longest that a webhook may have, in seconds.
const longestTimeout = 30

func (w *world) signal(p *process.Process, s syscall.Signal) {
	w.t.Helper()
	if err := syscall.Kill(p.PID(), s); err != nil {
		w.t.Fatal(err)
	}
}

// However long a webhook's timeout is, what a killed sidecar was sending is
// taken over within 30 s.
func TestKilledSidecarIsTakenOver(t *testing.T) {
	t.Parallel() // It waits most of the time.
	const promised = 30 * time.Second
	w := newWorld(t, stack.TestDatabase(t, stack.V32), stack.TestEvents(t))
	w.startReady()
	w.receiver.Behave("/hook", receiver.Must("hang"), receiver.Accept)
	hook := w.addHook(1, "/hook", hookSecret)
	w.exec("update plausible_webhooks.webhooks set timeout_seconds = $2 where id = $1", hook, longestTimeout)
	delivery := w.enqueue(hook)
	w.received("/hook", 1, patience)
	w.signal(w.process, syscall.SIGKILL)
	killed := time.Now()
	<-w.process.Exited()
	w.start()
	requests := w.received("/hook", 2, promised+patience)
	if took := requests[1].At.Sub(killed); took > promised {
		t.Errorf("taken over after %s, want at most %s", took, promised)
	}
	if status := w.finished(delivery); status != "delivered" {
		t.Errorf("the delivery is %s, want delivered", status)
	}
	if a, b := requests[0], requests[1]; a.Header.Get("webhook-id") != b.Header.Get("webhook-id") || string(a.Body) != string(b.Body) {
		t.Error("the request was repeated with another webhook-id or body")
	}
}

// A sidecar that is stopped for a while loses its claims to another. Resumed,
// it ends what it was sending and sends nothing of what it had claimed.
func TestPausedSidecarSendsNothingTwice(t *testing.T) {
	t.Parallel() // It waits most of the time.
	const inFlight, deliveries = 4, 12
	w := newWorld(t, stack.TestDatabase(t, stack.V32), stack.TestEvents(t))
	w.startReady()
	hang := receiver.Must("hang")
	w.receiver.Behave("/hook", hang, hang, hang, hang, receiver.Accept)
	hook := w.addHook(1, "/hook", hookSecret)
	w.exec("update plausible_webhooks.webhooks set timeout_seconds = $2 where id = $1", hook, longestTimeout)
	for range deliveries {
		w.enqueue(hook)
	}
	w.received("/hook", inFlight, patience)
	w.until("more is claimed than is sent", patience, func() bool {
		return value[int](w, "select count(*) from plausible_webhooks.webhook_deliveries where claimed_until > now()") > inFlight
	})
	paused := w.process
	w.signal(paused, syscall.SIGSTOP)
	t.Cleanup(func() {
		select {
		case <-paused.Exited():
		default:
			w.signal(paused, syscall.SIGCONT)
		}
	})
	w.startReady()
	w.until("the other sidecar delivers everything", patience, func() bool {
		return value[int](w, "select count(*) from plausible_webhooks.webhook_deliveries where status = 'delivered'") == deliveries
	})
	if n := len(w.receiver.Requests("/hook")); n != deliveries+inFlight {
		t.Errorf("%d requests before the first sidecar goes on, want %d and %d of them repeated", n, deliveries, inFlight)
	}
	if err := w.process.Stop(); err != nil {
		t.Fatal(err)
	}
	w.signal(paused, syscall.SIGCONT)
	w.until("the first sidecar records that it cut what it was sending", patience, func() bool {
		return value[int](w, `select count(*) from plausible_webhooks.webhook_delivery_attempts
			where attempt = 1 and error like 'interrupted: the claim could not be renewed%'`) == inFlight
	})
	// A webhook's deliveries have their turn in the order of their claims: once
	// it has sent a new one, it has dealt with the old ones.
	if status := w.finished(w.enqueue(hook)); status != "delivered" {
		t.Errorf("the delivery after all is %s, want delivered", status)
	}
	if n := len(w.receiver.Requests("/hook")); n != deliveries+inFlight+1 {
		t.Errorf("%d requests at the end, want one more than %d", n, deliveries+inFlight)
	}
}
