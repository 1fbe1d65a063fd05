package sender

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"plausible-webhooks/config/event"
)

// When a webhook is disabled as failing (deploy/REFERENCE.md section 1,
// WEBHOOKS_DISABLE_AFTER). The counts keep a webhook on that is used so rarely
// that its failures may be an accident.
const (
	failedAttempts   = 10
	failedDeliveries = 3
)

const (
	// failingInterval is how often suspects are looked at, failingTime after
	// how long no other is begun with: it has its turn the next time. The
	// longest log, of 100,000 deliveries with four attempts each, takes a few
	// seconds, of statements that take 20 ms each; judgeTime is for a database
	// that hangs.
	failingInterval = time.Minute
	failingTime     = 10 * time.Second
	judgeTime       = time.Minute

	// suspectInterval is how often the log itself is searched for suspects:
	// of failures before the start, and of other senders that ended since.
	suspectInterval = time.Hour
	suspectPage     = 500 // Webhooks in one statement,
	suspectRecent   = 20  // and deliveries of each that it reads.

	// historyPage is how many deliveries one statement reads of a webhook.
	historyPage = 1000
)

// suspectSQL names webhooks whose recent deliveries failed, out of a page of
// those that are enabled.
const suspectSQL = `
select h.id, exists (
  select from (
    select status, last_error, event_type from plausible_webhooks.webhook_deliveries
    where webhook_id = h.id order by inserted_at desc limit $3
  ) recent
  where event_type <> $4 and (status = 'failed' or status = 'pending' and last_error is not null))
from (select id from plausible_webhooks.webhooks where enabled and id > $1 order by id limit $2) h`

// disableFailing disables webhooks to which nothing has succeeded for too
// long. It reads the log of a webhook when that can matter: once when it begins
// to fail, and when its first failure has become old enough.
func (s *Sender) disableFailing(ctx context.Context) error {
	if s.options.DisableAfter == 0 {
		return nil
	}
	began := time.Now()
	if began.Sub(s.searched) >= suspectInterval {
		if err := s.searchSuspects(ctx); err != nil {
			return fmt.Errorf("look for webhooks that fail: %w", err)
		}
		s.searched = began
	}
	ripe := s.suspects.ripe(time.Now())
	for i, webhook := range ripe {
		if time.Since(began) > failingTime {
			s.suspects.again(ripe[i:])
			return nil
		}
		if err := s.judge(ctx, webhook); err != nil {
			s.suspects.again(ripe[i:])
			return fmt.Errorf("look whether webhook %d fails for too long: %w", webhook, err)
		}
	}
	return nil
}

func (s *Sender) searchSuspects(ctx context.Context) error {
	for last := int64(0); ; {
		rows, err := s.options.DB.Query(ctx, suspectSQL, last, suspectPage, suspectRecent, string(event.WebhookTest))
		if err != nil {
			return err
		}
		var webhook int64
		var failing bool
		read, err := pgx.ForEachRow(rows, []any{&webhook, &failing}, func() error {
			last = max(last, webhook)
			if failing {
				s.suspects.failed(webhook)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if read.RowsAffected() < suspectPage {
			return nil
		}
	}
}

// judge looks at one suspect, disables it if it must be, and keeps it a
// suspect if time alone can make it so. How long it has failed is told by the
// clock that dated its attempts, whatever ours says.
func (s *Sender) judge(ctx context.Context, webhook int64) error {
	ctx, cancel := context.WithTimeout(ctx, judgeTime)
	defer cancel()
	after := s.options.DisableAfter
	d := disabling{webhook: webhook, reason: event.Failing}
	// An edit may be the mend, and what failed before it says nothing of what
	// the webhook is now.
	var began *time.Time
	err := s.options.DB.QueryRow(ctx, `select url, updated_at, now(),
			greatest(restarted_at, case when updated_at > inserted_at then updated_at end)
		from plausible_webhooks.webhooks where id = $1 and enabled`, webhook).Scan(&d.url, &d.unchanged, &d.judged, &began)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	tooOld := d.judged.Add(-after)
	good := time.Time{}
	if began != nil {
		good = *began
	}
	if good.Before(tooOld) {
		last, err := s.lastSuccess(ctx, webhook, tooOld)
		if err != nil {
			return err
		}
		if last.After(good) {
			good = last
		}
	}
	if !good.Before(tooOld) {
		// Whatever has failed since then has not failed for long enough.
		s.suspects.later(webhook, time.Now().Add(good.Sub(tooOld)))
		return nil
	}
	f, err := s.failuresSince(ctx, webhook, good)
	switch {
	case err != nil:
		return err
	case f.attempts < failedAttempts || f.deliveries < failedDeliveries:
		return nil // The next failure makes it a suspect again.
	case !f.first.Before(tooOld):
		s.suspects.later(webhook, time.Now().Add(f.first.Sub(tooOld)))
		return nil
	}
	d.since, d.lastStatus, d.lastError = &f.first, f.lastStatus, f.lastError
	return s.disable(ctx, d)
}

// The page of a webhook's deliveries that both statements below begin with,
// from the newest on. Old deliveries are read as well, since a resend makes new
// attempts of them.
const historySQL = `
with page as materialized (
  select id, inserted_at, event_type, finished_at from plausible_webhooks.webhook_deliveries
  where webhook_id = $1 and (inserted_at, id) < ($2, $3::uuid)
  order by inserted_at desc, id desc limit $4
), oldest as (
  select inserted_at, id from page order by inserted_at, id limit 1
)`

const succeeded = `a.status_code between 200 and 299`

const lastSuccessSQL = historySQL + `
select (select count(*) from page), (select inserted_at from oldest), (select id from oldest), (
  select max(a.started_at) from page p join plausible_webhooks.webhook_delivery_attempts a on a.delivery_id = p.id
  where p.event_type <> $5 and ` + succeeded + `)`

// A delivery that was finished before $6 has no attempt since. An attempt on
// its way, or cut off by our own end, has not failed.
const failuresSQL = historySQL + `, failed as (
  select a.* from page p join plausible_webhooks.webhook_delivery_attempts a on a.delivery_id = p.id
  where p.event_type <> $5 and (p.finished_at is null or p.finished_at > $6) and a.started_at > $6
    and (a.status_code is not null and not ` + succeeded + ` or a.status_code is null and a.error not like 'interrupted: %')
)
select (select count(*) from page), (select inserted_at from oldest), (select id from oldest), f.*, l.*
from (select count(*), count(distinct delivery_id), min(started_at) from failed) f
left join (select started_at, status_code, error from failed order by started_at desc limit 1) l on true`

// place is where a page of a webhook's deliveries ended.
type place struct {
	at pgtype.Timestamptz
	id pgtype.UUID
}

// newest is where the first page begins.
func newest() place {
	return place{pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}, pgtype.UUID{Valid: true}}
}

// lastSuccess returns when the webhook last took a delivery, zero if it never
// did. It stops at a success since enough, which need not be the last.
func (s *Sender) lastSuccess(ctx context.Context, webhook int64, enough time.Time) (last time.Time, err error) {
	from := newest()
	for n := historyPage; n == historyPage; {
		var found *time.Time
		if err := s.options.DB.QueryRow(ctx, lastSuccessSQL, webhook, from.at, from.id, historyPage, string(event.WebhookTest)).
			Scan(&n, &from.at, &from.id, &found); err != nil {
			return time.Time{}, err
		}
		if found != nil && found.After(last) {
			last = *found
		}
		if !last.Before(enough) {
			break
		}
	}
	return last, nil
}

// failures are what failed of a webhook since its last success.
type failures struct {
	attempts, deliveries int
	first, last          time.Time
	lastStatus           *int
	lastError            *string
}

func (s *Sender) failuresSince(ctx context.Context, webhook int64, good time.Time) (all failures, err error) {
	from := newest()
	for n := historyPage; n == historyPage; {
		var attempts, deliveries int
		var first, last *time.Time
		var status *int
		var problem *string
		if err := s.options.DB.QueryRow(ctx, failuresSQL, webhook, from.at, from.id, historyPage, string(event.WebhookTest), good).
			Scan(&n, &from.at, &from.id, &attempts, &deliveries, &first, &last, &status, &problem); err != nil {
			return failures{}, err
		}
		if attempts == 0 {
			continue
		}
		if all.attempts == 0 || first.Before(all.first) {
			all.first = *first
		}
		if last.After(all.last) {
			all.last, all.lastStatus, all.lastError = *last, status, problem
		}
		all.attempts += attempts
		all.deliveries += deliveries
	}
	return all, nil
}
