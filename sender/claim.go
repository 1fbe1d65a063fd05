package sender

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"plausible-webhooks/config/event"
)

// webhooksPerLook bounds the webhooks that one look at the queue passes; the
// next look goes on after the last of them.
const webhooksPerLook = 512

// dueSQL names the next webhooks that have something pending, from after $1
// on, and tells whether some of it is to be sent now. It steps from webhook to
// webhook along the index instead of reading every row: a backlog of a million
// costs as much as one of one.
const dueSQL = `
with recursive queue (webhook_id, step) as (
  (select webhook_id, 1 from plausible_webhooks.webhook_deliveries
   where status = 'pending' and webhook_id > $1 order by webhook_id limit 1)
  union all
  select (select d.webhook_id from plausible_webhooks.webhook_deliveries d
          where d.status = 'pending' and d.webhook_id > queue.webhook_id order by d.webhook_id limit 1), queue.step + 1
  from queue where queue.webhook_id is not null and queue.step < $2
)` + candidateSQL

// dueOfSQL tells the same of the webhooks $1.
const dueOfSQL = `
with queue as (select unnest($1::bigint[]) as webhook_id)` + candidateSQL

const candidateSQL = `
select h.id, h.format, h.secret, nullif(h.headers, '{}')::text, h.enabled and exists (
  select from plausible_webhooks.webhook_deliveries d
  where d.webhook_id = h.id and d.status = 'pending' and d.next_attempt_at <= now()
    and (d.claimed_until is null or d.claimed_until <= now()))
from queue join plausible_webhooks.webhooks h on h.id = queue.webhook_id
order by h.id`

// claimSQL takes the oldest due deliveries of each webhook. A lease that has
// lapsed belonged to a sender that crashed: its open attempt is closed, and
// made again without using up a retry. The sender that made it, if it lives
// after all, learns so from the closed attempt (see renewSQL). What we hold
// ourselves ($4) is not for us to take over, even if an outage of the database
// has made its lease lapse: we know what becomes of it.
const claimSQL = `
with picked as (
  select d.id, d.attempts
  from unnest($1::bigint[], $2::int[]) as w (id, most)
  cross join lateral (
    select id, claimed_until, attempts from plausible_webhooks.webhook_deliveries
    where webhook_id = w.id and status = 'pending' and next_attempt_at <= now()
      and (claimed_until is null or claimed_until <= now() and id <> all ($4::uuid[]))
    order by next_attempt_at limit w.most
    for update skip locked
  ) d
), closed as (
  update plausible_webhooks.webhook_delivery_attempts a
  set error = 'interrupted: the sidecar ended without completing this attempt'
  from picked p
  where a.delivery_id = p.id and a.attempt = p.attempts
    and a.duration_ms is null and a.status_code is null and a.error is null
)
update plausible_webhooks.webhook_deliveries d set claimed_until = now() + $3::interval
from picked p where d.id = p.id
returning d.id, d.webhook_id, d.event_type, d.format, d.payload, d.attempts, d.round_attempts, d.failed_rounds, now() - d.inserted_at`

// claimSoon is claim within the time of a statement.
func (s *Sender) claimSoon(ctx context.Context, only []int64) (claimed []*delivery, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.statementLimit())
	defer cancel()
	return s.claim(ctx, only)
}

// claim takes what is due of some webhooks, as far as there is room, and
// returns it: of those given, or of those whose turn it is. Again tells that
// there are webhooks that have not had their turn, or can have another.
func (s *Sender) claim(ctx context.Context, only []int64) (claimed []*delivery, again bool, err error) {
	webhooks, last, err := s.due(ctx, only)
	if err != nil {
		return nil, false, err
	}
	if only == nil {
		s.cursor = last
	}
	allowed, more := s.held.room(webhooks)
	var ids []int64
	var most []int
	for i, n := range allowed {
		if n > 0 {
			ids, most = append(ids, webhooks[i]), append(most, n)
		}
	}
	if len(ids) == 0 {
		return nil, last != 0, nil
	}
	claimed, err = byIndex(ctx, s.options.DB, func(row pgx.CollectableRow) (*delivery, error) {
		d := delivery{claimed: time.Now()}
		return &d, row.Scan(&d.id, &d.webhook, &d.event, &d.format, &d.payload, &d.attempts, &d.roundAttempts, &d.failedRounds, &d.age)
	}, claimSQL, ids, most, s.lease, s.held.lapsing(time.Now().Add(-s.statementLimit())))
	if err != nil {
		return nil, false, fmt.Errorf("claim deliveries: %w", err)
	}
	s.held.add(ids, most, claimed)
	return claimed, last != 0 || more && len(claimed) > 0, nil
}

// candidate is a webhook that has something pending.
type candidate struct {
	id      int64
	format  event.Format
	secret  *string
	headers *string // Nil: none.
	due     bool
}

// due returns webhooks with something due whose secret can sign and whose
// headers can be sent, and the id after which the next look begins: zero, from
// the start. With only, it looks at no others.
func (s *Sender) due(ctx context.Context, only []int64) (webhooks []int64, last int64, err error) {
	sql, values := dueSQL, []any{s.cursor, webhooksPerLook}
	if only != nil {
		sql, values = dueOfSQL, []any{only}
	}
	found, err := byIndex(ctx, s.options.DB, func(row pgx.CollectableRow) (c candidate, err error) {
		return c, row.Scan(&c.id, &c.format, &c.secret, &c.headers, &c.due)
	}, sql, values...)
	if err != nil {
		return nil, 0, fmt.Errorf("look for due deliveries: %w", err)
	}
	for _, c := range found {
		if !c.due {
			continue
		}
		if reason := s.usable(c); reason == nil {
			webhooks = append(webhooks, c.id)
		} else if err := s.explainWait(ctx, c.id, reason); err != nil {
			return nil, 0, err
		}
	}
	if only == nil && len(found) == webhooksPerLook {
		last = found[len(found)-1].id
	}
	return webhooks, last, nil
}
