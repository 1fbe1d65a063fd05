package sender_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"plausible-webhooks/sender"
)

// logged makes so many deliveries with an attempt each, finished so long ago.
func (b *bed) logged(webhook int64, status string, n int, ago time.Duration) {
	b.t.Helper()
	b.exec(`with made as (
			insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload, status, inserted_at, finished_at, next_attempt_at)
			select $1, 'goal.completed', '{}', $2, now() - $4::interval - n * interval '1 millisecond',
				case when $2 <> 'pending' then now() - $4::interval end, case when $2 = 'pending' then now() + interval '1 hour' end
			from generate_series(1, $3) n returning id
		) insert into plausible_webhooks.webhook_delivery_attempts (delivery_id, attempt, status_code) select id, 1, 200 from made`, webhook, status, n, ago)
}

func (b *bed) purge(s *sender.Sender) {
	b.t.Helper()
	if err := s.Purge(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// statuses counts deliveries and their attempts.
func (b *bed) statuses() map[string]int {
	b.t.Helper()
	counts := map[string]int{"attempts": value[int](b, "select count(*) from plausible_webhooks.webhook_delivery_attempts")}
	for _, status := range sender.Statuses() {
		counts[status] = b.count("status = $1", status)
	}
	return counts
}

func TestOldDeliveriesAreDeleted(t *testing.T) {
	b := newBed(t)
	hook := b.webhook("https://example.com/", whsec)
	for status, n := range map[string]int{"delivered": 1203, "failed": 2, "cancelled": 3, "pending": 4} {
		b.logged(hook, status, n, 31*day) // More than two batches.
		b.logged(hook, status, 1, 29*day)
	}
	// Inserted as finished by somebody who did not say when that was.
	b.exec(`insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload, status, inserted_at)
		select $1, 'goal.completed', '{}', 'delivered', now() - n * interval '20 days' from generate_series(1, 2) n`, hook)
	s := sender.New(b.options())
	b.purge(s)
	want := map[string]int{"delivered": 2, "failed": 1, "cancelled": 1, "pending": 5, "attempts": 8}
	if diff := cmp.Diff(want, b.statuses()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if got := s.Counters(); got.Purged != 1209 || got.PurgedAt.IsZero() {
		t.Errorf("counters %+v, want 1209 purged, and when", got)
	}

	o := b.options()
	o.Retention = 28 * day
	b.purge(sender.New(o))
	if diff := cmp.Diff(map[string]int{"delivered": 1, "failed": 0, "cancelled": 0, "pending": 5, "attempts": 5}, b.statuses()); diff != "" {
		t.Errorf("left by a shorter retention (-want +got):\n%s", diff)
	}
}

func TestTheOldestBeyondTheMostAreDeleted(t *testing.T) {
	b := newBed(t)
	many, few := b.webhook("https://example.com/", whsec), b.webhook("https://example.com/", whsec)
	b.logged(many, "pending", 5, 4*time.Hour)
	b.logged(many, "failed", 700, 3*time.Hour)
	b.logged(many, "delivered", 8, 2*time.Hour)
	b.logged(few, "delivered", 10, 10*time.Hour)
	// Of one moment, as a large transaction makes them.
	equal := b.webhook("https://example.com/", whsec)
	b.exec(`insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload, status, finished_at)
		select $1, 'goal.completed', '{}', 'cancelled', now() from generate_series(1, 12) n`, equal)
	s := sender.New(b.options())
	s.KeepAtMost(10)
	newest := value[[]string](b, `select array_agg(id) from (
		select id::text from plausible_webhooks.webhook_deliveries where webhook_id = $1 and status = 'failed' order by inserted_at desc limit 2) newest`, many)
	b.purge(s)
	want := map[string]int{"delivered": 18, "failed": 2, "cancelled": 10, "pending": 5, "attempts": 25}
	if diff := cmp.Diff(want, b.statuses()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if n := b.count("webhook_id = $1", few); n != 10 {
		t.Errorf("%d are left of a webhook with just the most, want all", n)
	}
	if n := b.count("id::text = any ($1)", newest); n != 2 {
		t.Errorf("of the newest that failed %d are left, want both", n)
	}
}

// While one sender deletes, no other does, and rows that somebody holds are
// left for the next time.
func TestOneDeletesAndWaitsForNobody(t *testing.T) {
	b := newBed(t)
	hook := b.webhook("https://example.com/", whsec)
	b.logged(hook, "delivered", 20, 31*day)
	tx, err := b.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := tx.Exec(t.Context(), "select pg_advisory_xact_lock($1)", int64(0x706c_7768_7075_7267)); err != nil {
		t.Fatal(err)
	}
	s := sender.New(b.options())
	b.purge(s)
	if n := b.count("true"); n != 20 {
		t.Errorf("%d are left while another one deletes, want 20", n)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}

	if tx, err = b.db.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	resent := resendOne(t, tx, hook)
	b.purge(s)
	if n := b.count("true"); n != 1 {
		t.Errorf("%d are left, want the one that is being resent", n)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.purge(s)
	if d := b.show(resent); d.Status != sender.StatusPending {
		t.Errorf("resent: %+v, want it pending", d)
	}
	if n := value[int](b, "select count(*) from pg_locks where locktype = 'advisory'"); n != 0 {
		t.Errorf("%d advisory locks are held afterwards", n)
	}
}

func resendOne(t *testing.T, tx pgx.Tx, hook int64) (id string) {
	t.Helper()
	if err := tx.QueryRow(t.Context(), "select id::text from plausible_webhooks.webhook_deliveries where webhook_id = $1 limit 1", hook).Scan(&id); err != nil {
		t.Fatal(err)
	}
	if err := sender.Resend(t.Context(), tx, id); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestARunningSenderDeletes(t *testing.T) {
	b := newBed(t)
	b.logged(b.webhook("https://example.com/", whsec), "delivered", 3, 31*day)
	s := b.start(b.options())
	b.until("old deliveries to be deleted", func() bool { return b.count("true") == 0 })
	// The rows are gone a moment before the sender knows.
	b.until("them to be counted", func() bool { return s.Counters().Purged == 3 })
}
