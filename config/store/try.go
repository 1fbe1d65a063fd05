package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"plausible-webhooks/config/event"

	"github.com/jackc/pgx/v5"
)

// ErrNotEnabled means that nothing is sent to the webhook at present.
var ErrNotEnabled = errors.New("the webhook is switched off, and nothing is sent to it")

// EnqueueTest puts a webhook.test event for a webhook into the queue, with an
// invented event of type like inside, as of now. It returns the delivery's id.
// The environment's webhook may be tested too. Errors are ErrNotFound and
// ErrNotEnabled.
func (s *Store) EnqueueTest(ctx context.Context, id int64, like event.Type, baseURL string, now time.Time) (delivery string, err error) {
	err = s.inTransaction(ctx, "enqueue a test", func(tx pgx.Tx) error {
		found, err := readWebhooks(ctx, tx, "w.id = $1", id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return notFound(id)
		}
		w := found[0]
		if !w.Enabled {
			return fmt.Errorf("webhook %d: %w", id, ErrNotEnabled)
		}
		var of event.Site
		if w.Domain != "" {
			of = event.Site{ID: w.SiteID, Domain: w.Domain}
		}
		payload, err := event.Render(event.Example(now, like, of, event.Webhook{ID: w.ID, Name: w.Name}, baseURL), w.Format)
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `insert into plausible_webhooks.webhook_deliveries (webhook_id, site_id, event_type, payload, format)
			values ($1, nullif($2, 0::bigint), $3, $4, $5) returning id::text`,
			w.ID, w.SiteID, string(event.WebhookTest), payload, string(w.Format)).Scan(&delivery)
		if err != nil {
			return fmt.Errorf("insert the test of webhook %d: %w", id, err)
		}
		return nil
	})
	return delivery, err
}
