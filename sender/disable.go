package sender

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/target"
)

// disabling is a webhook to be switched off, with what is told of it.
type disabling struct {
	webhook int64
	url     string // What the reason is about: a webhook that was pointed elsewhere meanwhile stays on.
	reason  event.DisabledReason

	since      *time.Time // The first failure; nil for event.Gone.
	lastStatus *int
	lastError  *string

	// For event.Failing, when the row was last changed and when its log was
	// read: an edit or a success since then keeps it on. Zero: neither matters.
	unchanged, judged time.Time
}

// It reads Plausible's sites, whose migrations wait for its end: it waits for
// nobody else's lock for longer than a second, and is given up by the server
// where we do not go on with it.
const disableLimits = `set local lock_timeout = '1s'; set local idle_in_transaction_session_timeout = '2s'; set local tcp_user_timeout = '1s'`

const disableSQL = `
update plausible_webhooks.webhooks h set enabled = false, disabled_reason = $3
where h.id = $1 and h.url = $2 and h.enabled
  and ($4::timestamptz is null or h.updated_at = $4 and not exists (
    select from plausible_webhooks.webhook_deliveries d
    where d.webhook_id = h.id and d.status = 'delivered' and d.finished_at >= $5 and d.event_type <> $6))
returning coalesce(h.site_id, 0), coalesce((select s.domain from public.sites s where s.id = h.site_id), ''), h.name, h.updated_at`

// The others of the site, and those of the whole instance. They are locked so
// that none is deleted before its delivery is there.
const toldSQL = `
select id, name, format from plausible_webhooks.webhooks
where enabled and id <> $1 and (site_id = $2 or site_id is null) order by id for key share`

const tellSQL = `
insert into plausible_webhooks.webhook_deliveries (webhook_id, site_id, event_type, event_key, payload, format)
select n.webhook_id, nullif($1::bigint, 0), $2, $3, n.payload, n.format
from unnest($4::bigint[], $5::text[], $6::text[]) as n (webhook_id, payload, format)
on conflict (webhook_id, event_key) do nothing`

// disable switches a webhook off and tells the others that it was, in one
// transaction: whoever else tries finds it off, so that it is told once.
func (s *Sender) disable(ctx context.Context, d disabling) error {
	told := 0
	err := pgx.BeginFunc(ctx, s.options.DB, func(tx pgx.Tx) error {
		var of event.Site
		var name string
		var at time.Time
		if _, err := tx.Exec(ctx, disableLimits); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, disableSQL, d.webhook, d.url, string(d.reason), timeOrNull(d.unchanged), timeOrNull(d.judged), string(event.WebhookTest)).
			Scan(&of.ID, &of.Domain, &name, &at)
		if err != nil {
			return err
		}
		told, err = s.tell(ctx, tx, d, of, name, at)
		return err
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil // Off already, or no longer to be.
	case err != nil:
		return fmt.Errorf("disable webhook %d: %w", d.webhook, err)
	}
	fields := []any{"webhook", d.webhook, "target", target.Display(d.url), "reason", string(d.reason), "told", told}
	if d.since != nil {
		fields = append(fields, "since", d.since.UTC().Format(time.RFC3339))
		s.disabledFailing.Add(1)
	} else {
		s.disabledGone.Add(1)
	}
	s.log.Warn("webhook disabled", fields...)
	if told > 0 {
		s.Wake()
	}
	return s.settle(ctx)
}

// tell queues webhook.disabled for all who are to know, and returns how many.
func (s *Sender) tell(ctx context.Context, tx pgx.Tx, d disabling, of event.Site, name string, at time.Time) (int, error) {
	data := event.DisabledData{Disabled: event.Disabled{
		ID: d.webhook, Name: name, Host: hostOf(d.url), Reason: d.reason,
		Since: d.since, LastStatusCode: d.lastStatus, LastError: d.lastError,
	}}
	if of.Domain != "" {
		dashboard := event.DashboardURL(s.options.BaseURL, of.Domain, false)
		data.Site, data.DashboardURL = &of, &dashboard
	}
	rows, err := tx.Query(ctx, toldSQL, d.webhook, of.ID)
	if err != nil {
		return 0, fmt.Errorf("look for those to be told: %w", err)
	}
	var to event.Webhook
	var format event.Format
	var webhooks []int64
	var payloads, formats []string
	if _, err := pgx.ForEachRow(rows, []any{&to.ID, &to.Name, &format}, func() error {
		data.Webhook = to
		payload, err := event.Render(event.New(at, data), format)
		webhooks, payloads, formats = append(webhooks, to.ID), append(payloads, payload), append(formats, string(format))
		return err
	}); err != nil {
		return 0, fmt.Errorf("look for those to be told: %w", err)
	}
	if len(webhooks) == 0 {
		return 0, nil
	}
	key := fmt.Sprintf("%s:%d:%d", event.WebhookDisabled, d.webhook, at.UnixMicro())
	if _, err := tx.Exec(ctx, tellSQL, of.ID, string(event.WebhookDisabled), key, webhooks, payloads, formats); err != nil {
		return 0, fmt.Errorf("tell others of it: %w", err)
	}
	return len(webhooks), nil
}

// hostOf returns the host of a stored URL, with a port that is not the usual
// one.
func hostOf(url string) string {
	shown := target.Display(url)
	if _, host, ok := strings.Cut(shown, "://"); ok {
		return host
	}
	return shown
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
