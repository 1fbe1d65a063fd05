package sender

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"plausible-webhooks/config/event"
)

var (
	// ErrInFlight means that a delivery is being sent at this moment.
	ErrInFlight = errors.New("the delivery is being sent right now")

	// ErrDisabled means that a webhook is disabled by the system, so that what
	// is queued for it would be cancelled at once.
	ErrDisabled = errors.New("the webhook is disabled: enable it first")

	// ErrPaused means that a person has paused the webhook.
	ErrPaused = errors.New("the webhook is paused: enable it first")

	// ErrNoWebhook means that no webhook has the id.
	ErrNoWebhook = errors.New("there is no such webhook")
)

// freshRound sets a delivery to be sent now, in a round of its own. Attempt
// numbers go on, so that the log keeps what was.
const freshRound = `status = 'pending', round_attempts = 0, failed_rounds = 0,
	next_attempt_at = now(), claimed_until = null, finished_at = null`

// Resend has a delivery sent again, with the same id and payload. One that
// waits for its next attempt goes out now. The errors wrap ErrNotFound,
// ErrInFlight and ErrDisabled; a paused webhook's delivery waits for it.
func Resend(ctx context.Context, db Database, id string) error {
	parsed, err := parseID(id)
	if err != nil {
		return err
	}
	done, err := db.Exec(ctx, `with again as (
			update plausible_webhooks.webhook_deliveries d set `+freshRound+`
			from plausible_webhooks.webhooks h
			where d.id = $1 and h.id = d.webhook_id and h.disabled_reason is null
			  and (d.status <> 'pending' or d.claimed_until is null or d.claimed_until <= now())
			returning d.webhook_id)
		select pg_notify($2, webhook_id::text) from again`, parsed, dueChannel)
	if err != nil {
		return fmt.Errorf("resend delivery %s: %w", id, err)
	}
	if done.RowsAffected() > 0 {
		return nil
	}
	var reason *string
	err = db.QueryRow(ctx, `select h.disabled_reason from plausible_webhooks.webhook_deliveries d
		join plausible_webhooks.webhooks h on h.id = d.webhook_id where d.id = $1`, parsed).Scan(&reason)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("delivery %s: %w", id, ErrNotFound)
	case err != nil:
		return fmt.Errorf("resend delivery %s: %w", id, err)
	case reason != nil:
		return fmt.Errorf("delivery %s: %w (reason: %s)", id, ErrDisabled, *reason)
	default:
		return fmt.Errorf("delivery %s: %w", id, ErrInFlight)
	}
}

// Test is a delivery that a person asks for, to try a webhook.
type Test struct {
	WebhookID int64
	SiteID    int64 // Zero: none.
	Format    event.Format
	Payload   string // As event.Render returns it for the format.
}

// EnqueueTest queues a webhook.test delivery and returns its id. The errors
// wrap ErrNoWebhook, ErrPaused and ErrDisabled.
func EnqueueTest(ctx context.Context, db Database, t Test) (id string, err error) {
	if err := enabled(ctx, db, t.WebhookID); err != nil {
		return "", err
	}
	err = db.QueryRow(ctx, `insert into plausible_webhooks.webhook_deliveries (webhook_id, site_id, event_type, format, payload)
		values ($1, nullif($2::bigint, 0), $3, $4, $5) returning id::text`,
		t.WebhookID, t.SiteID, string(event.WebhookTest), string(t.Format), t.Payload).Scan(&id)
	if err != nil {
		return "", fmt.Errorf("queue a test of webhook %d: %w", t.WebhookID, err)
	}
	return id, nil
}

func enabled(ctx context.Context, db Database, webhook int64) error {
	var on bool
	var reason *string
	err := db.QueryRow(ctx, `select enabled, disabled_reason from plausible_webhooks.webhooks where id = $1`, webhook).Scan(&on, &reason)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("webhook %d: %w", webhook, ErrNoWebhook)
	case err != nil:
		return fmt.Errorf("read webhook %d: %w", webhook, err)
	case reason != nil:
		return fmt.Errorf("webhook %d: %w (reason: %s)", webhook, ErrDisabled, *reason)
	case !on:
		return fmt.Errorf("webhook %d: %w", webhook, ErrPaused)
	default:
		return nil
	}
}
