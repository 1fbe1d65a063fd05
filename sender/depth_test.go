package sender_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"plausible-webhooks/sender"
)

func TestDepth(t *testing.T) {
	b := newBed(t)
	depth := func() sender.Depth {
		t.Helper()
		d, err := sender.ReadDepth(t.Context(), b.db)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if d := depth(); d != (sender.Depth{}) {
		t.Errorf("an empty queue is %+v", d)
	}
	on, off := b.webhook("https://example.com/on", whsec), b.webhook("https://example.com/off", whsec)
	b.exec("update plausible_webhooks.webhooks set enabled = false where id = $1", off)
	b.enqueueMany(on, 4)
	b.enqueueMany(off, 2)
	b.exec(`update plausible_webhooks.webhook_deliveries set next_attempt_at = now() - interval '1 hour' where payload = '{"n":1}'`)
	b.exec(`update plausible_webhooks.webhook_deliveries set next_attempt_at = now() - interval '2 hours' where webhook_id = $1`, off)
	b.exec(`update plausible_webhooks.webhook_deliveries set next_attempt_at = now() + interval '1 hour' where payload = '{"n":2}' and webhook_id = $1`, on)
	b.exec(`update plausible_webhooks.webhook_deliveries set claimed_until = now() + interval '1 hour' where payload = '{"n":3}' and webhook_id = $1`, on)
	b.exec(`insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload, status, finished_at) values ($1, 'traffic.spike', '{}', 'failed', now())`, on)
	d := depth()
	if age := d.OldestDue; age < time.Hour || age > time.Hour+patience {
		t.Errorf("the oldest due one waits for %v; want an hour, as those of a paused webhook do not count", age)
	}
	d.OldestDue = 0
	if want := (sender.Depth{Due: 2, Claimed: 1, Later: 1, Paused: 2}); d != want {
		t.Errorf("depth %+v, want %+v", d, want)
	}
}

// However much is pending or finished, a look reads no more rows than its bound:
// counted in what PostgreSQL itself says that it did.
func TestDepthIsBounded(t *testing.T) {
	b := newBed(t)
	hook := b.webhook("https://example.com/", whsec)
	b.exec(`insert into plausible_webhooks.webhooks (url) select 'https://example.com/' || n from generate_series(1, 3000) n`)
	b.exec(`insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload, status, finished_at)
		select $1, 'traffic.spike', '{}', 'delivered', now() from generate_series(1, 40000)`, hook)
	b.exec(`insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload, next_attempt_at)
		select id, 'traffic.spike', '{}', now() + interval '1 hour' from plausible_webhooks.webhooks, generate_series(1, 5)`)
	b.exec(`insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload) select $1, 'traffic.spike', '{}' from generate_series(1, 25000)`, hook)
	for _, statistics := range []string{"stale", "fresh"} {
		if statistics == "fresh" {
			b.exec("analyze plausible_webhooks.webhook_deliveries")
			b.exec("analyze plausible_webhooks.webhooks")
		}
		d, err := sender.ReadDepth(t.Context(), b.db)
		if err != nil {
			t.Fatal(err)
		}
		if !d.More || d.Due+d.Claimed+d.Later+d.Paused != sender.DepthMost+1 {
			t.Errorf("%s: %+v; want that there is more than %d", statistics, d, sender.DepthMost)
		}
		for sql, bound := range sender.DepthStatements() {
			plan := b.explain(strings.ReplaceAll(sql, "$1", bound))
			var read []struct{ Plan node }
			if err := json.Unmarshal([]byte(plan), &read); err != nil {
				t.Fatal(err)
			}
			// The bound of rows, or twice that of webhooks: one to step to, one to read.
			if rows := read[0].Plan.scanned("webhook_deliveries"); rows > sender.DepthMost+1 {
				t.Errorf("%s statistics: %.0f rows read by\n%s\n%s", statistics, rows, sql, plan)
			}
		}
	}
}

// explain runs a statement as ReadDepth does, and returns how.
func (b *bed) explain(sql string) (plan string) {
	b.t.Helper()
	err := pgx.BeginFunc(b.t.Context(), b.db, func(tx pgx.Tx) error {
		for _, setting := range sender.DepthSettings() {
			if _, err := tx.Exec(b.t.Context(), setting); err != nil {
				return err
			}
		}
		return tx.QueryRow(b.t.Context(), "explain (analyze, format json) "+sql).Scan(&plan)
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return plan
}

// node is one of a plan.
type node struct {
	Relation string  `json:"Relation Name"`
	Rows     float64 `json:"Actual Rows"`
	Loops    float64 `json:"Actual Loops"`
	Removed  float64 `json:"Rows Removed by Filter"`
	Plans    []node
}

func (n node) scanned(relation string) (rows float64) {
	if n.Relation == relation {
		rows = (n.Rows + n.Removed) * n.Loops
	}
	for _, child := range n.Plans {
		rows += child.scanned(relation)
	}
	return rows
}
