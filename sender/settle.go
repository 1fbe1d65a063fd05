package sender

import (
	"context"
	"fmt"
	"time"
)

const (
	// pausedPatience is how long the deliveries of a webhook that a person
	// paused wait for it (deploy/REFERENCE.md section 3).
	pausedPatience = 24 * time.Hour

	settleBatch = 1000
)

// cancelSQL cancels what will not be sent: of webhooks that the system
// disabled at once, of paused ones after their patience. In batches, and
// around rows that others write at the moment, so that nobody waits for it. One
// bound on the time, so that the index of what is due finds them: the backlog
// of a paused webhook may be long.
const cancelSQL = `
update plausible_webhooks.webhook_deliveries d
set status = 'cancelled', finished_at = now(), next_attempt_at = null, claimed_until = null, last_error = p.reason
from (
  select found.id, case when h.disabled_reason is null
      then 'the webhook was paused for longer than a day'
      else 'the webhook is disabled: ' || h.disabled_reason end as reason
  from plausible_webhooks.webhooks h
  cross join lateral (
    select id from plausible_webhooks.webhook_deliveries
    where webhook_id = h.id and status = 'pending'
      and next_attempt_at < case when h.disabled_reason is null then now() - $1::interval else 'infinity' end
    order by next_attempt_at limit $2
    for update skip locked
  ) found
  where not h.enabled
) p
where d.id = p.id`

// neverDueSQL mends rows that somebody inserted without a time.
const neverDueSQL = `
update plausible_webhooks.webhook_deliveries d set next_attempt_at = now()
from plausible_webhooks.webhooks h
where d.webhook_id = h.id and d.status = 'pending' and d.next_attempt_at is null`

// settle does what needs no haste: it cancels what will not be sent, mends
// rows without a time and encrypts plain secrets and headers.
func (s *Sender) settle(ctx context.Context) error {
	if err := s.sealPlain(ctx); err != nil {
		return err
	}
	if err := s.sealPlainHeaders(ctx); err != nil {
		return err
	}
	for {
		done, err := s.options.DB.Exec(ctx, cancelSQL, pausedPatience, settleBatch)
		if err != nil {
			return fmt.Errorf("cancel deliveries of disabled webhooks: %w", err)
		}
		if done.RowsAffected() < settleBatch {
			break
		}
	}
	if _, err := s.options.DB.Exec(ctx, neverDueSQL); err != nil {
		return fmt.Errorf("mend deliveries without a time: %w", err)
	}
	return nil
}
