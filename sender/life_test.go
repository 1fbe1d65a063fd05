package sender_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/sender"
)

func TestStopInAWaitGivesTheRowBack(t *testing.T) {
	t.Parallel() // It waits most of the time.
	const wait = 4 * time.Second
	b := newBed(t)
	b.receiver.Behave("/hook", receiver.Must("fail:1"))
	id := b.enqueue(b.webhook(b.receiver.URL("/hook"), whsec), "{}")
	o := b.options()
	o.RetryWaitMin, o.RetryWaitMax = wait, wait
	first := b.start(o)
	b.requests("/hook", 1)
	b.until("the first attempt to be recorded", func() bool { return b.show(id).LastStatusCode != nil })
	began := time.Now()
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > wait*3/4 {
		t.Errorf("stopping took %s, want the wait cut short", took)
	}
	d := b.show(id)
	if d.Status != sender.StatusPending || d.ClaimedUntil != nil || d.Attempts != 1 || len(b.receiver.Requests("/hook")) != 1 {
		t.Fatalf("got %+v, want it pending and released after one attempt", d)
	}
	b.start(o)
	d = b.untilStatus(id, sender.StatusDelivered)
	if diff := cmp.Diff([]string{"1 500 answered 500 Internal Server Error", "2 200"}, texts(d.AttemptLog)); diff != "" {
		t.Error(diff)
	}
	requests := b.requests("/hook", 2)
	if waited := requests[1].At.Sub(requests[0].At); waited < wait {
		t.Errorf("the restart cut the wait to %s, want %s", waited, wait)
	}
}

func TestStopLetsAttemptsFinish(t *testing.T) {
	b := newBed(t)
	b.receiver.Behave("/hook", receiver.Must("slow:500ms"))
	id := b.enqueue(b.webhook(b.receiver.URL("/hook"), whsec), "{}")
	s := b.start(b.options())
	b.requests("/hook", 1)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if d := b.show(id); d.Status != sender.StatusDelivered {
		t.Errorf("got %s, want the attempt in flight finished", d.Status)
	}
}

// A stop takes 8 s here, which is what it promises at most.
func TestStopCutsWhatHangsAndItIsMadeAgain(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.receiver.Behave("/hook", receiver.Must("hang"))
	id := b.enqueue(b.webhook(b.receiver.URL("/hook"), whsec), "{}")
	o := b.options()
	o.Timeout, o.Retries = time.Minute, 0
	s := b.start(o)
	b.requests("/hook", 1)
	began := time.Now()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 7*time.Second || took > 10*time.Second {
		t.Errorf("stopping took %s, want 8 s and little more", took)
	}
	d := b.show(id)
	if d.Status != sender.StatusPending || d.ClaimedUntil != nil || d.Attempts != 1 || !strings.HasPrefix(texts(d.AttemptLog)[0], "1 interrupted: ") {
		t.Fatalf("got %+v, %v, want it interrupted and released", d, texts(d.AttemptLog))
	}
	b.receiver.Behave("/hook", receiver.Accept)
	b.start(o)
	// Without a retry to spare: the interrupted attempt has used up none.
	if d = b.untilStatus(id, sender.StatusDelivered); d.Attempts != 2 {
		t.Errorf("got %d attempts, want 2", d.Attempts)
	}
}

func TestCrashedClaimsAreTakenOver(t *testing.T) {
	b := newBed(t)
	b.receiver.Behave("/hook", receiver.Must("hang"))
	id := b.enqueue(b.webhook(b.receiver.URL("/hook"), whsec), "{}")
	o := b.options()
	o.Timeout, o.Retries = 20*time.Second, 0
	crashed := b.start(o)
	b.requests("/hook", 1)
	crashed.Kill()
	if err := crashed.Stop(); err != nil {
		t.Fatal(err)
	}
	d := b.show(id)
	if d.Status != sender.StatusPending || d.ClaimedUntil == nil || d.AttemptLog[0].Error != nil || d.AttemptLog[0].DurationMS != nil {
		t.Fatalf("got %+v, want what a crash leaves: a claim and an open attempt", d)
	}
	defaults := time.Until(*d.ClaimedUntil)
	if defaults > 30*time.Second {
		t.Errorf("the claim holds for %s, want less than 30 s", defaults)
	}
	b.receiver.Behave("/hook", receiver.Accept)
	b.start(o)
	// Time passes, for this row.
	b.exec("update plausible_webhooks.webhook_deliveries set claimed_until = now() - interval '1 second' where id = $1", id)
	d = b.untilStatus(id, sender.StatusDelivered)
	want := []string{"1 interrupted: the sidecar ended without completing this attempt", "2 200"}
	if diff := cmp.Diff(want, texts(d.AttemptLog)); diff != "" {
		t.Error(diff)
	}
}

func TestClaimsAreRespected(t *testing.T) {
	b := newBed(t)
	hook := b.webhook(b.receiver.URL("/hook"), whsec)
	claimed := b.enqueue(hook, `"claimed"`)
	b.exec("update plausible_webhooks.webhook_deliveries set claimed_until = now() + interval '1 hour' where id = $1", claimed)
	later := b.enqueue(hook, `"later"`)
	b.exec("update plausible_webhooks.webhook_deliveries set next_attempt_at = now() + interval '1 hour' where id = $1", later)
	b.start(b.options())
	b.untilStatus(b.enqueue(hook, `"due"`), sender.StatusDelivered)
	if got := b.receiver.Requests("/hook"); len(got) != 1 {
		t.Errorf("got %d requests, want the one that is due and free", len(got))
	}
}

// Two senders share the work: nothing is sent twice while nothing fails.
func TestTwoSenders(t *testing.T) {
	b := newBed(t)
	const webhooks, each = 5, 60
	for i := range webhooks {
		b.enqueueMany(b.webhook(b.receiver.URL(fmt.Sprintf("/%d", i)), whsec), each)
	}
	b.start(b.options())
	b.start(b.options())
	b.until("everything to be delivered", func() bool { return b.count("status = 'delivered'") == webhooks*each })
	seen := map[string]int{}
	for _, request := range b.receiver.Requests("") {
		seen[request.Header.Get("Webhook-Id")]++
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("delivery %s was sent %d times", id, n)
		}
	}
	if len(seen) != webhooks*each {
		t.Errorf("got %d deliveries, want %d", len(seen), webhooks*each)
	}
	if n := value[int](b, "select count(*) from plausible_webhooks.webhook_delivery_attempts where status_code = 200"); n != webhooks*each {
		t.Errorf("got %d attempts recorded, want %d", n, webhooks*each)
	}
}

// A webhook that hangs with a backlog does not delay another.
func TestSlowWebhookDelaysNoOther(t *testing.T) {
	b := newBed(t)
	b.receiver.Behave("/slow", receiver.Must("slow:4s"))
	slow := b.webhook(b.receiver.URL("/slow"), whsec)
	b.enqueueMany(slow, 400)
	good := b.webhook(b.receiver.URL("/good"), whsec)
	s := b.start(b.options())
	b.requests("/slow", 4)
	began := time.Now()
	id := b.enqueue(good, "{}")
	s.Wake()
	b.untilStatus(id, sender.StatusDelivered)
	if took := time.Since(began); took > 3*time.Second { // Less than one slow answer.
		t.Errorf("the good webhook waited %s", took)
	}
	if n := len(b.receiver.Requests("/slow")); n > 4 {
		t.Errorf("got %d requests to the slow webhook at once, want 4", n)
	}
	// What is held of the backlog is bounded.
	if n := b.count("claimed_until > now()"); n > 40 {
		t.Errorf("got %d rows claimed, want few", n)
	}
	b.receiver.Stop() // So that the end of the test need not wait.
}

// Failing deliveries wait without holding a slot.
func TestWaitsHoldNoSlot(t *testing.T) {
	b := newBed(t)
	b.receiver.Behave("/bad", receiver.Must("500"))
	hook := b.webhook(b.receiver.URL("/bad"), whsec)
	o := b.options()
	o.Concurrency, o.ConcurrencyPerWebhook = 1, 1
	o.RetryWaitMin, o.RetryWaitMax = time.Hour, time.Hour
	for range 5 {
		b.enqueue(hook, "{}")
	}
	b.start(o)
	b.requests("/bad", 5)
}

func TestPausedAndDisabledWebhooks(t *testing.T) {
	b := newBed(t)
	paused, disabled := b.webhook(b.receiver.URL("/paused"), whsec), b.webhook(b.receiver.URL("/disabled"), whsec)
	b.exec("update plausible_webhooks.webhooks set enabled = false where id = $1", paused)
	b.exec("update plausible_webhooks.webhooks set enabled = false, disabled_reason = 'failing' where id = $1", disabled)
	fresh, old, dropped := b.enqueue(paused, "{}"), b.enqueue(paused, "{}"), b.enqueue(disabled, "{}")
	b.exec("update plausible_webhooks.webhook_deliveries set next_attempt_at = now() - interval '25 hours' where id = $1", old)
	s := b.start(b.options())
	b.untilStatus(old, sender.StatusCancelled)
	b.untilStatus(dropped, sender.StatusCancelled)
	if _, err := sender.EnqueueTest(t.Context(), b.db, sender.Test{WebhookID: paused, Format: "standard", Payload: "{}"}); err == nil {
		t.Error("a test of a paused webhook was queued")
	}
	if d := b.show(fresh); d.Status != sender.StatusPending || len(b.receiver.Requests("")) != 0 {
		t.Errorf("got %s, want it to wait", d.Status)
	}
	b.exec("update plausible_webhooks.webhooks set enabled = true where id = $1", paused)
	s.Wake()
	b.untilStatus(fresh, sender.StatusDelivered)
}

func TestDeletedWhileInFlight(t *testing.T) {
	b := newBed(t)
	b.receiver.Behave("/hook", receiver.Must("slow:300ms"))
	hook := b.webhook(b.receiver.URL("/hook"), whsec)
	b.enqueue(hook, "{}")
	s := b.start(b.options())
	b.requests("/hook", 1)
	b.exec("delete from plausible_webhooks.webhooks where id = $1", hook)
	other := b.enqueue(b.webhook(b.receiver.URL("/other"), whsec), "{}")
	b.untilStatus(other, sender.StatusDelivered)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.log.String(), "[ERROR]") || strings.Contains(b.log.String(), "[WARN]") {
		t.Errorf("a deleted webhook made noise:\n%s", b.log)
	}
}

// The URL is read afresh before each attempt.
func TestChangedURLCountsAtOnce(t *testing.T) {
	b := newBed(t)
	b.receiver.Behave("/old", receiver.Must("500"))
	hook := b.webhook(b.receiver.URL("/old"), whsec)
	id := b.enqueue(hook, "{}")
	o := b.options()
	o.RetryWaitMin, o.RetryWaitMax = 500*time.Millisecond, 500*time.Millisecond
	b.start(o)
	b.requests("/old", 1)
	b.exec("update plausible_webhooks.webhooks set url = $2 where id = $1", hook, b.receiver.URL("/new"))
	b.untilStatus(id, sender.StatusDelivered)
	if len(b.receiver.Requests("/old")) != 1 || len(b.receiver.Requests("/new")) != 1 {
		t.Error("want the second attempt at the new URL")
	}
}

// Rows that others insert are found without being woken.
func TestFoundWithinASecond(t *testing.T) {
	b := newBed(t)
	o := b.options()
	o.PollInterval = sender.Defaults().PollInterval
	b.start(o)
	hook := b.webhook(b.receiver.URL("/hook"), whsec)
	for i := range 3 {
		b.enqueue(hook, "{}")
		inserted := time.Now()
		if took := b.requests("/hook", i+1)[i].At.Sub(inserted); took > time.Second {
			t.Errorf("got the request after %s, want within a second", took)
		}
	}
	// A row without a time is due as well.
	b.exec(`insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload, next_attempt_at) values ($1, 'goal.completed', '{}', null)`, hook)
	b.requests("/hook", 4)
}

func TestManyWebhooksAreServed(t *testing.T) {
	b := newBed(t)
	const webhooks = 600 // More than one look at the queue finds.
	b.exec(`insert into plausible_webhooks.webhooks (url, secret) select $1 || n, $2 from generate_series(1, $3) n`, b.receiver.HTTPURL("/"), whsec, webhooks)
	b.exec(`insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload) select id, 'goal.completed', '{}' from plausible_webhooks.webhooks`)
	b.start(b.options())
	b.until("everything to be delivered", func() bool { return b.count("status = 'delivered'") == webhooks })
}

func TestStopTwiceAndRunWithoutWork(t *testing.T) {
	b := newBed(t)
	s := b.start(b.options())
	var all sync.WaitGroup
	for range 3 {
		all.Go(s.Wake)
		all.Go(func() { _ = s.Stop() })
	}
	all.Wait()
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sender.New(b.options()).Run(done); err != nil {
		t.Errorf("got %v, want nil", err)
	}
}
