package sender

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// beginning asks for the attempt row that must be there before the request.
type beginning struct {
	id      uuid.UUID
	attempt int
}

// webhook is a row of webhooks as an attempt needs it: as it is at the moment
// of the attempt.
type webhook struct {
	id       int64
	url      string
	secret   *string
	previous *string // Nil where its time is over.
	headers  string  // A JSON object.
	timeout  *int    // In seconds; nil: that of the options.
}

// beginSQL moves the delivery to its next attempt and writes the attempt's
// row, for those deliveries that are still ours to send. The count of attempts
// is the fence: whoever comes second finds it changed.
const beginSQL = `
with wanted as (
  select * from unnest($1::uuid[], $2::int[]) as w (id, attempt)
), begun as (
  update plausible_webhooks.webhook_deliveries d
  set attempts = w.attempt, claimed_until = now() + $3::interval
  from wanted w, plausible_webhooks.webhooks h
  where d.id = w.id and d.attempts = w.attempt - 1 and d.status = 'pending'
    and h.id = d.webhook_id and h.enabled
  returning d.id, d.attempts, h.id as webhook_id, h.url, h.secret,
    case when h.previous_secret_expires_at > now() then h.previous_secret end as previous_secret,
    h.headers::text as headers, h.timeout_seconds
), logged as (
  insert into plausible_webhooks.webhook_delivery_attempts (delivery_id, attempt, started_at)
  select id, attempts, clock_timestamp() from begun
)
select id, webhook_id, url, secret, previous_secret, headers, timeout_seconds from begun`

// beginAll returns the webhook of each attempt that may go out, nil for those
// that may not: delivered, cancelled or taken over by another sender, or their
// webhook is disabled or deleted.
func (s *Sender) beginAll(ctx context.Context, wanted []beginning) ([]*webhook, error) {
	ids, attempts := make([]uuid.UUID, len(wanted)), make([]int, len(wanted))
	place := make(map[uuid.UUID]int, len(wanted))
	for i, w := range wanted {
		ids[i], attempts[i], place[w.id] = w.id, w.attempt, i
	}
	type one struct {
		id uuid.UUID
		webhook
	}
	found, err := byIndex(ctx, s.options.DB, func(row pgx.CollectableRow) (*one, error) {
		var o one
		return &o, row.Scan(&o.id, &o.webhook.id, &o.url, &o.secret, &o.previous, &o.headers, &o.timeout)
	}, beginSQL, ids, attempts, s.lease)
	if err != nil {
		return nil, fmt.Errorf("begin attempts: %w", err)
	}
	begun := make([]*webhook, len(wanted))
	for _, o := range found {
		begun[place[o.id]] = &o.webhook
	}
	return begun, nil
}

// result is a finished attempt and what follows it.
type result struct {
	id            uuid.UUID
	attempt       int
	outcome       outcome
	verdict       verdict
	roundAttempts int
	failedRounds  int
	keep          bool // The delivery stays claimed: its wait is spent in memory.
}

// recordSQL completes attempts and moves their deliveries on. A delivery that
// was cancelled while its request was on the way is delivered all the same.
const recordSQL = `
with results as (
  select * from unnest($1::uuid[], $2::int[], $3::int[], $4::int[], $5::text[], $6::text[],
                       $7::text[], $8::interval[], $9::int[], $10::int[], $11::boolean[])
    as r (id, attempt, duration_ms, status_code, error, response_excerpt,
          status, wait, round_attempts, failed_rounds, keep)
), completed as (
  update plausible_webhooks.webhook_delivery_attempts a
  set duration_ms = r.duration_ms, status_code = r.status_code, error = r.error, response_excerpt = r.response_excerpt
  from results r where a.delivery_id = r.id and a.attempt = r.attempt
)
update plausible_webhooks.webhook_deliveries d
set status = r.status, round_attempts = r.round_attempts, failed_rounds = r.failed_rounds,
  last_status_code = r.status_code, last_error = r.error,
  next_attempt_at = case when r.status = 'pending' then now() + r.wait end,
  finished_at = case when r.status <> 'pending' then now() end,
  claimed_until = case when r.keep then now() + $12::interval end
from results r
where d.id = r.id and d.attempts = r.attempt
  and (d.status = 'pending' or d.status = 'cancelled' and r.status = 'delivered')`

func (s *Sender) recordAll(ctx context.Context, results []result) ([]struct{}, error) {
	n := len(results)
	ids, attempts := make([]uuid.UUID, n), make([]int, n)
	durations, codes := make([]int64, n), make([]*int, n)
	problems, excerpts := make([]*string, n), make([]*string, n)
	statuses, waits := make([]string, n), make([]time.Duration, n)
	roundAttempts, failedRounds, keep := make([]int, n), make([]int, n), make([]bool, n)
	for i, r := range results {
		ids[i], attempts[i] = r.id, r.attempt
		durations[i] = r.outcome.duration.Milliseconds()
		problems[i], excerpts[i] = textOrNull(r.outcome.problem), textOrNull(r.outcome.excerpt)
		if r.outcome.answered {
			codes[i] = &r.outcome.status
		}
		statuses[i], waits[i] = r.verdict.status(), r.verdict.wait
		roundAttempts[i], failedRounds[i], keep[i] = r.roundAttempts, r.failedRounds, r.keep
	}
	err := doByIndex(ctx, s.options.DB, recordSQL, ids, attempts, durations, codes, problems, excerpts,
		statuses, waits, roundAttempts, failedRounds, keep, s.lease)
	if err != nil {
		return nil, fmt.Errorf("record attempts: %w", err)
	}
	return make([]struct{}, n), nil
}

// status is the delivery's status after the verdict.
func (v verdict) status() string {
	switch v.ending {
	case delivered:
		return "delivered"
	case failed, gone:
		return "failed"
	default:
		return "pending"
	}
}

func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// releaseSQL gives claims back. The fence keeps it off a delivery that another
// sender has gone on with.
const releaseSQL = `
update plausible_webhooks.webhook_deliveries d set claimed_until = null
from unnest($1::uuid[], $2::int[]) as r (id, attempts)
where d.id = r.id and d.attempts = r.attempts and d.status = 'pending'`

func (s *Sender) releaseAll(ctx context.Context, released []beginning) ([]struct{}, error) {
	ids, attempts := make([]uuid.UUID, len(released)), make([]int, len(released))
	for i, r := range released {
		ids[i], attempts[i] = r.id, r.attempt
	}
	if err := doByIndex(ctx, s.options.DB, releaseSQL, ids, attempts); err != nil {
		return nil, fmt.Errorf("release claims: %w", err)
	}
	return make([]struct{}, len(released)), nil
}
