package sender_test

import (
	"fmt"
	"testing"
	"time"

	"plausible-webhooks/sender"
)

// Without polling, only the database's notices can wake the sender.
func deaf(o sender.Options) sender.Options {
	o.PollInterval = time.Hour
	return o
}

func TestInsertsOfOthersWakeTheSender(t *testing.T) {
	b := newBed(t)
	b.start(deaf(b.options()))
	hook := b.webhook(b.receiver.URL("/hook"), whsec)
	for i := range 5 {
		id := b.enqueue(hook, "{}")
		b.requests("/hook", i+1)
		b.untilStatus(id, sender.StatusDelivered)
	}
	// More at once than the webhook may hold, and then of more webhooks than
	// one notice each is sent for.
	b.enqueueMany(hook, 100)
	b.requests("/hook", 105)
	const webhooks = 50
	b.exec(`with hooks as (insert into plausible_webhooks.webhooks (url, secret) select $1 || n, $2 from generate_series(1, $3) n returning id)
		insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload) select id, 'goal.completed', '{}' from hooks`,
		b.receiver.URL("/many/"), whsec, webhooks)
	for i := range webhooks {
		b.requests(fmt.Sprintf("/many/%d", i+1), 1)
	}
}

func TestResendsWakeTheSender(t *testing.T) {
	b := newBed(t)
	b.start(deaf(b.options()))
	hook := b.webhook(b.receiver.URL("/hook"), whsec)
	id := b.enqueue(hook, "{}")
	b.untilStatus(id, sender.StatusDelivered)
	if err := sender.Resend(t.Context(), b.db, id); err != nil {
		t.Fatal(err)
	}
	b.requests("/hook", 2)
	b.untilStatus(id, sender.StatusDelivered)
	if n, err := sender.ResendSince(t.Context(), b.db, hook, time.Now().Add(-time.Hour), []string{sender.StatusDelivered}); n != 1 || err != nil {
		t.Fatalf("resend since: got %d, %v, want 1", n, err)
	}
	b.requests("/hook", 3)
}

// A connection that breaks is made anew, and what was inserted meanwhile is
// found.
func TestListensAgain(t *testing.T) {
	b := newBed(t)
	b.start(deaf(b.options()))
	hook := b.webhook(b.receiver.URL("/hook"), whsec)
	listening := func() int {
		return value[int](b, `select count(*) from pg_stat_activity where datname = current_database() and query like 'listen %'`)
	}
	b.until("the sender to listen", func() bool { return listening() == 1 })
	b.exec(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query like 'listen %'`)
	b.enqueue(hook, "{}")
	b.requests("/hook", 1)
	b.until("the sender to listen again", func() bool { return listening() == 1 })
	b.enqueue(hook, "{}")
	b.requests("/hook", 2)
}
