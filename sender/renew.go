package sender

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// errClaimLapsed ends an attempt whose claim could not be renewed.
var errClaimLapsed = errors.New("the claim could not be renewed in the database")

// flight is an attempt on its way. It ends when its claim does.
type flight struct {
	attempt int
	until   time.Time // By the clock that a change of the time of day leaves alone.
	cut     *time.Timer
}

// renewSQL prolongs claims ($1) and those of attempts on their way ($2, $3),
// and tells which are still ours to hold.
//
// An attempt that somebody has closed was taken over, as its lease had lapsed:
// then it is not renewed, and its sender cuts it. The attempt's row is locked
// with the delivery's, so that this is told from the newest version of both. A
// delivery that was cancelled may arrive all the same; nobody can claim it.
//
// Rows that are being written at the moment are skipped: their own statement
// renews or ends the claim, and waiting for them could deadlock.
const renewSQL = `
with idle as (
  select id from plausible_webhooks.webhook_deliveries
  where id = any ($1::uuid[]) and status = 'pending' and claimed_until is not null
  for update skip locked
), flying as (
  select d.id
  from unnest($2::uuid[], $3::int[]) as w (id, attempt)
  join plausible_webhooks.webhook_deliveries d on d.id = w.id and d.attempts = w.attempt
  join plausible_webhooks.webhook_delivery_attempts a on a.delivery_id = w.id and a.attempt = w.attempt
  where (d.status = 'cancelled' or d.status = 'pending' and d.claimed_until is not null)
    and a.duration_ms is null and a.status_code is null and a.error is null
  for update of d, a skip locked
)
update plausible_webhooks.webhook_deliveries d
set claimed_until = case when d.status = 'pending' then now() + $4::interval end
from (select id from idle union all select id from flying) ours
where d.id = ours.id
returning d.id`

// renew prolongs the claims of everything held.
func (s *Sender) renew(ctx context.Context) error {
	asked := time.Now()
	idle, flying, attempts := s.held.renewable()
	if len(idle)+len(flying) == 0 {
		s.held.prolong(nil, asked, s.covers(asked))
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.statementLimit())
	defer cancel()
	renewed, err := byIndex(ctx, s.options.DB, pgx.RowTo[uuid.UUID], renewSQL, idle, flying, attempts, s.lease)
	if err != nil {
		return fmt.Errorf("renew claims: %w", err)
	}
	s.held.prolong(renewed, asked, s.covers(asked))
	return nil
}

// covers is until when an attempt may go on, whose claim was made or renewed by
// a statement that was sent at a moment: the lease runs from when the database
// got it, so for longer.
func (s *Sender) covers(asked time.Time) time.Time {
	return asked.Add(s.lease - s.lease/marginsPerLease)
}

// fly has an attempt end when its claim does, unless that is renewed. The
// attempt must be made with the context, and land called after it.
func (h *held) fly(ctx context.Context, d *delivery, until time.Time) (flying context.Context, land func()) {
	flying, cut := context.WithCancelCause(ctx)
	left := time.Until(until)
	f := &flight{attempt: d.attempts, until: until, cut: time.AfterFunc(left, func() { cut(errClaimLapsed) })}
	if left <= 0 {
		// This process was stopped for a while, or the database was slow: the
		// request must not go out before the timer is noticed.
		cut(errClaimLapsed)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.flights[d.id] = f
	return flying, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		f.cut.Stop()
		if h.flights[d.id] == f {
			delete(h.flights, d.id)
		}
		cut(nil)
	}
}

// renewable returns the ids of everything held: of what is not on its way, and
// of what is, with the attempts' numbers.
func (h *held) renewable() (idle, flying []uuid.UUID, attempts []int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id := range h.deliveries {
		if f := h.flights[id]; f != nil {
			flying, attempts = append(flying, id), append(attempts, f.attempt)
		} else {
			idle = append(idle, id)
		}
	}
	return idle, flying, attempts
}

// prolong lets attempts go on until a moment, after claims were renewed by a
// statement that was sent at another.
func (h *held) prolong(ids []uuid.UUID, asked, until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.renewed = asked
	for _, id := range ids {
		// A timer that has fired has cut the attempt; then this changes nothing.
		if f := h.flights[id]; f != nil && f.until.Before(until) && f.cut.Stop() {
			f.until = until
			f.cut.Reset(time.Until(until))
		}
	}
}
