package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/config/secret"

	"github.com/jackc/pgx/v5"
)

const selectWebhooks = `select w.id, coalesce(w.site_id, 0), coalesce(s.domain, ''), w.name, w.url, w.format, w.enabled,
		coalesce(w.disabled_reason, ''), w.managed_by, w.secret is not null, w.previous_secret_expires_at,
		w.inserted_at, w.updated_at, w.restarted_at, array(select jsonb_object_keys(w.headers)), coalesce(w.timeout_seconds, 0)
	from plausible_webhooks.webhooks w left join public.sites s on s.id = w.site_id`

const selectTriggers = `select t.id, t.webhook_id, t.type, coalesce(t.goal_id, 0), coalesce(t.threshold, 0), coalesce(t.window_seconds, 0),
		t.cooldown_seconds, t.repeat, t.notify_recovery, t.enabled, t.inserted_at, t.updated_at, t.restarted_at,
		coalesce(` + goalName + `, ''), t.goal_id is not null and g.site_id is distinct from w.site_id
	from plausible_webhooks.webhook_triggers t
	join plausible_webhooks.webhooks w on w.id = t.webhook_id
	left join public.goals g on g.id = t.goal_id`

// inScope is the condition that a webhook is one of those that OfSite leaves,
// and the beginning of every where; its parameters are $1 and $2.
const inScope = "($1::bigint = 0 or w.site_id = $1 and w.managed_by <> $2)"

// Filter chooses what List returns; the zero value chooses everything.
type Filter struct {
	Site string // Domain; instance-wide webhooks are left out then.
}

// List returns webhooks with their triggers, by id. An unknown site is an
// *Invalid.
func (s *Store) List(ctx context.Context, filter Filter) (all []Webhook, err error) {
	err = s.inTransaction(ctx, "list webhooks", func(tx pgx.Tx) error {
		if filter.Site == "" || s.only != 0 {
			all, err = readWebhooks(ctx, tx, inScope, s.only, config.ManagedByEnvironment)
			return err
		}
		of, err := s.findSite(ctx, tx, filter.Site)
		if err != nil {
			return err
		}
		all, err = readWebhooks(ctx, tx, inScope+" and w.site_id = $3", s.only, config.ManagedByEnvironment, of.id)
		return err
	})
	return all, err
}

// Get returns one webhook, or ErrNotFound.
func (s *Store) Get(ctx context.Context, id int64) (w Webhook, err error) {
	err = s.inTransaction(ctx, "read a webhook", func(tx pgx.Tx) error {
		found, err := readWebhooks(ctx, tx, inScope+" and w.id = $3", s.only, config.ManagedByEnvironment, id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return notFound(id)
		}
		w = found[0]
		return nil
	})
	return w, err
}

func readWebhooks(ctx context.Context, tx pgx.Tx, where string, args ...any) ([]Webhook, error) {
	rows, err := tx.Query(ctx, selectWebhooks+" where "+where+" order by w.id", args...)
	if err != nil {
		return nil, fmt.Errorf("read webhooks: %w", err)
	}
	webhooks, err := pgx.CollectRows(rows, scanWebhook)
	if err != nil {
		return nil, fmt.Errorf("read webhooks: %w", err)
	}
	if rows, err = tx.Query(ctx, selectTriggers+" where "+where+" order by t.id", args...); err != nil {
		return nil, fmt.Errorf("read triggers: %w", err)
	}
	triggers, err := pgx.CollectRows(rows, scanTrigger)
	if err != nil {
		return nil, fmt.Errorf("read triggers: %w", err)
	}
	byID := make(map[int64]*Webhook, len(webhooks))
	for i := range webhooks {
		byID[webhooks[i].ID] = &webhooks[i]
	}
	for _, trigger := range triggers {
		// Between the two statements a webhook may have come or gone.
		if w, ok := byID[trigger.WebhookID]; ok {
			w.Triggers = append(w.Triggers, trigger)
		}
	}
	return webhooks, nil
}

func scanWebhook(row pgx.CollectableRow) (w Webhook, err error) {
	var url, format string
	var expires, restarted *time.Time
	err = row.Scan(&w.ID, &w.SiteID, &w.Domain, &w.Name, &url, &format, &w.Enabled, &w.DisabledReason, &w.ManagedBy, &w.HasSecret,
		&expires, &w.InsertedAt, &w.UpdatedAt, &restarted, &w.HeaderNames, &w.TimeoutSeconds)
	slices.Sort(w.HeaderNames)
	w.URL, w.Format = secret.New(url), event.Format(format)
	w.PreviousSecretExpiresAt, w.RestartedAt = orZero(expires), orZero(restarted)
	return w, err
}

func scanTrigger(row pgx.CollectableRow) (t Trigger, err error) {
	var typ string
	var restarted *time.Time
	err = row.Scan(&t.ID, &t.WebhookID, &typ, &t.GoalID, &t.Threshold, &t.WindowSeconds, &t.CooldownSeconds, &t.Repeat, &t.NotifyRecovery,
		&t.Enabled, &t.InsertedAt, &t.UpdatedAt, &restarted, &t.GoalName, &t.Broken)
	t.Type, t.RestartedAt = event.Type(typ), orZero(restarted)
	return t, err
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
