package sender

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Depth is how much is pending. Its numbers are those of a sample where there
// is very much: no question about a queue may cost more because it is long.
type Depth struct {
	Due     int  // To be sent now, by anybody.
	Claimed int  // Held by a sender: on the way, or between two attempts.
	Later   int  // Waiting for their time.
	Paused  int  // Of webhooks that are switched off.
	More    bool // There are more; those counted are of the webhooks with the lowest ids.

	// OldestDue is for how long the longest waiting delivery has been due, what
	// is on its way included; zero where nothing is. Of the first depthWebhooks
	// webhooks with something pending.
	OldestDue time.Duration
}

const (
	depthMost     = 10_000
	depthWebhooks = 2_000
)

// depthSQL counts along the index of what is pending, so that neither what is
// finished nor what is beyond the bound costs anything.
const depthSQL = `
select count(*) filter (where h.enabled and not p.claimed and p.due),
  count(*) filter (where h.enabled and p.claimed),
  count(*) filter (where h.enabled and not p.claimed and not p.due),
  count(*) filter (where not h.enabled)
from (
  select webhook_id, coalesce(next_attempt_at <= now(), false) as due, coalesce(claimed_until > now(), false) as claimed
  from plausible_webhooks.webhook_deliveries where status = 'pending'
  order by webhook_id, next_attempt_at limit $1
) p
join plausible_webhooks.webhooks h on h.id = p.webhook_id`

// oldestDueSQL steps from webhook to webhook, as dueSQL does, and reads one row
// of each.
const oldestDueSQL = `
with recursive queue (webhook_id, step) as (
  (select webhook_id, 1 from plausible_webhooks.webhook_deliveries
   where status = 'pending' order by webhook_id limit 1)
  union all
  select (select d.webhook_id from plausible_webhooks.webhook_deliveries d
          where d.status = 'pending' and d.webhook_id > queue.webhook_id order by d.webhook_id limit 1), queue.step + 1
  from queue where queue.webhook_id is not null and queue.step < $1
)
select coalesce(now() - min(oldest.due), '0')
from queue join plausible_webhooks.webhooks h on h.id = queue.webhook_id and h.enabled
cross join lateral (
  select d.next_attempt_at as due from plausible_webhooks.webhook_deliveries d
  where d.webhook_id = h.id and d.status = 'pending' and d.next_attempt_at <= now()
  order by d.next_attempt_at limit 1
) oldest`

// inOrderSQL has rows read in the order of the index, one by one. Where a queue
// has grown since the tables were last analysed, PostgreSQL would rather gather
// all of it and sort that.
const inOrderSQL = `select set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true)`

// ReadDepth asks how much is pending, in one round trip.
func ReadDepth(ctx context.Context, db *pgxpool.Pool) (d Depth, err error) {
	var all pgx.Batch
	all.Queue(byIndexSQL)
	all.Queue(inOrderSQL)
	all.Queue(depthSQL, depthMost+1).QueryRow(func(row pgx.Row) error {
		return row.Scan(&d.Due, &d.Claimed, &d.Later, &d.Paused)
	})
	all.Queue(oldestDueSQL, depthWebhooks).QueryRow(func(row pgx.Row) error { return row.Scan(&d.OldestDue) })
	if err := db.SendBatch(ctx, &all).Close(); err != nil {
		return Depth{}, fmt.Errorf("look how much is pending: %w", err)
	}
	d.More = d.Due+d.Claimed+d.Later+d.Paused > depthMost
	return d, nil
}
