package sender_test

import (
	"testing"
	"time"

	"plausible-webhooks/config/event"
	"plausible-webhooks/sender"
)

// Many are resent in several transactions, so that nobody waits for all of
// them; each once, and no others.
func TestManyAreResentInBatches(t *testing.T) {
	b, log, own, others := siteBed(t)
	b.deliveries(own, 2500, event.TrafficSpike, "failed")
	b.deliveries(own, 300, event.TrafficSpike, "cancelled")
	b.deliveries(own, 10, event.TrafficSpike, "delivered")
	b.deliveries(others["another site's"], 10, event.TrafficSpike, "failed")
	b.exec("update plausible_webhooks.webhook_deliveries set inserted_at = now() - interval '3 days' where id in (select id from plausible_webhooks.webhook_deliveries where status = 'failed' and webhook_id = $1 limit 7)", own)

	// Those that were inserted at one moment are told apart by their ids.
	b.exec("update plausible_webhooks.webhook_deliveries set inserted_at = now() - interval '1 hour' where webhook_id = $1 and status = 'failed' and inserted_at > now() - interval '2 days'", own)
	n, err := log.ResendSince(t.Context(), own, time.Now().Add(-48*time.Hour), []string{"failed"})
	if err != nil || n != 2493 {
		t.Fatalf("ResendSince = %d, %v; want 2493", n, err)
	}
	var pending, transactions, left int
	if err := b.db.QueryRow(t.Context(), `select count(*) filter (where status = 'pending'), count(distinct xmin::text) filter (where status = 'pending'),
		count(*) filter (where status = 'failed') from plausible_webhooks.webhook_deliveries where webhook_id = $1`, own).Scan(&pending, &transactions, &left); err != nil {
		t.Fatal(err)
	}
	if pending != 2493 || transactions != 3 || left != 7 {
		t.Errorf("%d pending in %d transactions, %d failed; want 2493 in 3, and the 7 that are older", pending, transactions, left)
	}
	if n, err := sender.ResendSince(t.Context(), b.db, own, time.Time{}, nil); err != nil || n != 307 {
		t.Errorf("ResendSince of all the rest = %d, %v; want 307", n, err)
	}
	var theirs int
	if err := b.db.QueryRow(t.Context(), "select count(*) from plausible_webhooks.webhook_deliveries where webhook_id <> $1 and status = 'failed'", own).Scan(&theirs); err != nil || theirs != 10 {
		t.Errorf("%d of another site's are left, %v; want all 10", theirs, err)
	}
}
