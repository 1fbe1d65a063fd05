package sender

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// resendBatch is how many deliveries one statement sets to be sent again: few
// enough that whoever waits for one of its rows, as the sender does that claims
// them, waits for some hundredths of a second.
const resendBatch = 1000

// ResendSince has all deliveries of a webhook sent again that were inserted
// since a time and have one of the statuses (none given: failed and
// cancelled), and returns how many. The errors wrap ErrNoWebhook and
// ErrDisabled.
//
// It works in batches, the oldest first, each of which stands by itself: those
// before an error, whose number is returned with it, are on their way. None is
// taken twice, however fast it fails again.
func ResendSince(ctx context.Context, db Database, webhook int64, since time.Time, statuses []string) (int64, error) {
	return resendSince(ctx, webhook, since, statuses, func(do func(Database) error) error { return do(db) })
}

// resendSince does each step by way of within, which may refuse.
func resendSince(ctx context.Context, webhook int64, since time.Time, statuses []string, within func(func(Database) error) error) (count int64, err error) {
	if len(statuses) == 0 {
		statuses = []string{StatusFailed, StatusCancelled}
	}
	finished := []string{StatusDelivered, StatusFailed, StatusCancelled}
	for _, status := range statuses {
		if !slices.Contains(finished, status) {
			return 0, fmt.Errorf("resend deliveries of webhook %d: status %q cannot be resent, only %s", webhook, status, strings.Join(finished, ", "))
		}
	}
	err = within(func(db Database) error { return enabled(ctx, db, webhook) })
	if err != nil && !errors.Is(err, ErrPaused) { // A paused webhook's wait until it is enabled again.
		return 0, err
	}
	next := logPlace{at: since}
	for more := true; more; {
		err := within(func(db Database) error {
			batch, err := resendFrom(ctx, db, webhook, next, statuses)
			if err != nil {
				return err
			}
			count += batch.resent
			next, more = batch.last, batch.looked == resendBatch
			return nil
		})
		if err != nil {
			return count, fmt.Errorf("resend deliveries of webhook %d, after %d: %w", webhook, count, err)
		}
	}
	return count, nil
}

// logPlace is one in the log of a webhook, from its beginning to its end.
type logPlace struct {
	at time.Time
	id uuid.UUID
}

type resentBatch struct {
	looked, resent int64
	last           logPlace // Of those looked at.
}

// resendFrom resends what follows a place, a batch of it.
func resendFrom(ctx context.Context, db Database, webhook int64, from logPlace, statuses []string) (b resentBatch, err error) {
	troubled := ""
	if !slices.Contains(statuses, StatusDelivered) {
		troubled = " and d.status in ('failed', 'cancelled')" // As the index webhook_deliveries_troubled has it.
	}
	var at *time.Time
	var id *uuid.UUID
	// Equal notices of a transaction are sent once.
	err = db.QueryRow(ctx, `with picked as (
			select d.id, d.inserted_at from plausible_webhooks.webhook_deliveries d
			where d.webhook_id = $1 and (d.inserted_at, d.id) > ($2::timestamptz, $3::uuid) and d.status = any ($4)`+troubled+`
			order by d.inserted_at, d.id limit $5),
		again as (
			update plausible_webhooks.webhook_deliveries d set `+freshRound+`
			from picked where d.id = picked.id and d.status = any ($4)
			returning d.webhook_id),
		told as (select pg_notify($6, webhook_id::text) from again)
		select (select count(*) from picked), (select count(*) from told), last.inserted_at, last.id
		from (values (1)) one left join (select * from picked order by inserted_at desc, id desc limit 1) last on true`,
		webhook, from.at, from.id, statuses, resendBatch, dueChannel).Scan(&b.looked, &b.resent, &at, &id)
	if err == nil && at != nil {
		b.last = logPlace{*at, *id}
	}
	return b, err
}
