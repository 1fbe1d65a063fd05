package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/config/secret"

	"github.com/jackc/pgx/v5"
)

// instanceLock lets one of several sidecars that start at once do the work.
const instanceLock = 0x706c_7768_656e_7631

// Instance is the webhook that the environment describes: WEBHOOKS_URL,
// WEBHOOKS_SECRET, WEBHOOKS_FORMAT and WEBHOOKS_EVENTS.
type Instance struct {
	URL    string       // Empty: there is none.
	Secret secret.Text  // Required where the format is signed.
	Format event.Format // Empty: standard.

	// Events are what it receives. A type that ends an episode asks for
	// recoveries, and for the episode's firings too. None may need a threshold
	// of its own, since every setting is the site's.
	Events []event.Type
}

// InstanceChange tells what EnsureInstance did, for one line of the log.
type InstanceChange string

// What EnsureInstance can do. The first that applies is returned.
const (
	InstanceNone      InstanceChange = "none"      // None is wanted and none is enabled.
	InstanceUnchanged InstanceChange = "unchanged" // It was in step already.
	InstanceCreated   InstanceChange = "created"
	InstanceEnabled   InstanceChange = "enabled" // It was disabled, by whomever, and the environment asks for it.
	InstanceUpdated   InstanceChange = "updated"
	InstanceDisabled  InstanceChange = "disabled" // WEBHOOKS_URL is gone; rows and log stay.
)

// EnsureInstance brings the rows of the environment's webhook in step with the
// environment, at each start (deploy/REFERENCE.md section 3). Id is zero where there is
// no such row. Rows are never deleted, so that ids stay; a trigger that is no
// longer asked for is disabled. A changed secret rotates with DefaultOverlap.
func (s *Store) EnsureInstance(ctx context.Context, wanted Instance) (id int64, change InstanceChange, err error) {
	var found mistakes
	var url string
	if wanted.URL != "" {
		url = checkURL(wanted.URL, s.targets, &found)
		wanted.Format = checkFormat(wanted.Format, &found)
		checkSecret(wanted.Secret, &found)
		if wanted.Format.Signed() && wanted.Secret.Empty() {
			found.add(FieldSecret, "format %s signs its requests and needs WEBHOOKS_SECRET", wanted.Format)
		}
		checkInstanceEvents(wanted.Events, &found)
	}
	if err := found.err(); err != nil {
		return 0, "", err
	}
	err = s.inTransaction(ctx, "bring the webhook of WEBHOOKS_URL in step", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", int64(instanceLock)); err != nil {
			return fmt.Errorf("wait for another sidecar that starts: %w", err)
		}
		if wanted.URL == "" {
			id, change, err = disableInstance(ctx, tx)
			return err
		}
		if id, change, err = s.instanceRow(ctx, tx, url, wanted); err != nil {
			return err
		}
		changed, err := instanceTriggers(ctx, tx, id, wanted.Events)
		if changed && change == InstanceUnchanged {
			change = InstanceUpdated
		}
		return err
	})
	return id, change, err
}

func checkInstanceEvents(events []event.Type, found *mistakes) {
	for _, typ := range event.Firing() {
		ended, _ := typ.Ended()
		if typ.NeedsThreshold() && (slices.Contains(events, typ) || slices.Contains(events, ended)) {
			found.add(FieldEvents, "%s needs a threshold, which no setting of a site holds: add it to another webhook", typ)
		}
	}
}

func disableInstance(ctx context.Context, tx pgx.Tx) (id int64, change InstanceChange, err error) {
	var active bool
	err = tx.QueryRow(ctx, `select id, enabled or disabled_reason is not null from plausible_webhooks.webhooks
		where managed_by = $1 for update`, config.ManagedByEnvironment).Scan(&id, &active)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, InstanceNone, nil
	}
	if err != nil {
		return 0, "", fmt.Errorf("look for the webhook of WEBHOOKS_URL: %w", err)
	}
	if !active {
		return id, InstanceNone, nil
	}
	if _, err := tx.Exec(ctx, "update plausible_webhooks.webhooks set enabled = false, disabled_reason = null where id = $1", id); err != nil {
		return 0, "", fmt.Errorf("disable the webhook of WEBHOOKS_URL: %w", err)
	}
	return id, InstanceDisabled, nil
}

// instanceRow writes the row of webhooks and its secret.
func (s *Store) instanceRow(ctx context.Context, tx pgx.Tx, url string, wanted Instance) (id int64, change InstanceChange, err error) {
	var enabled, same bool
	err = tx.QueryRow(ctx, `select id, enabled, (url, format, site_id is null, headers, timeout_seconds) is not distinct from ($2, $3, true, '{}'::jsonb, null::integer)
		from plausible_webhooks.webhooks where managed_by = $1 for update`,
		config.ManagedByEnvironment, url, string(wanted.Format)).Scan(&id, &enabled, &same)
	if errors.Is(err, pgx.ErrNoRows) {
		if id, err = s.insertWebhook(ctx, tx, site{}, NewWebhook{URL: url, Format: wanted.Format, Secret: wanted.Secret}); err != nil {
			return 0, "", err
		}
		if _, err = tx.Exec(ctx, "update plausible_webhooks.webhooks set managed_by = $2 where id = $1", id, config.ManagedByEnvironment); err != nil {
			return 0, "", fmt.Errorf("mark webhook %d as the environment's: %w", id, err)
		}
		return id, InstanceCreated, nil
	}
	if err != nil {
		return 0, "", fmt.Errorf("look for the webhook of WEBHOOKS_URL: %w", err)
	}
	if !enabled || !same {
		_, err = tx.Exec(ctx, `update plausible_webhooks.webhooks set url = $2, format = $3, site_id = null, headers = '{}', timeout_seconds = null,
			enabled = true where id = $1`, id, url, string(wanted.Format))
		if err != nil {
			return 0, "", fmt.Errorf("update webhook %d: %w", id, err)
		}
	}
	rotated, err := s.rotateInstance(ctx, tx, id, wanted.Secret)
	switch {
	case err != nil:
		return 0, "", err
	case !enabled:
		return id, InstanceEnabled, nil
	case !same || rotated:
		return id, InstanceUpdated, nil
	}
	return id, InstanceUnchanged, nil
}

// rotateInstance leaves a stored secret alone where none is given: the sender
// makes one for formats that need none of the environment.
func (s *Store) rotateInstance(ctx context.Context, tx pgx.Tx, id int64, wanted secret.Text) (bool, error) {
	if wanted.Empty() {
		return false, nil
	}
	old, err := s.presentSecret(ctx, tx, id)
	if err != nil || old.Equal(wanted) {
		return false, err
	}
	return true, s.replaceSecret(ctx, tx, id, old, wanted, DefaultOverlap)
}

// instanceTriggers has one trigger for each firing type, with every setting
// taken from the site.
func instanceTriggers(ctx context.Context, tx pgx.Tx, id int64, events []event.Type) (changed bool, err error) {
	var kept []string
	for _, typ := range event.Firing() {
		ended, episodes := typ.Ended()
		recovery := episodes && slices.Contains(events, ended)
		if !recovery && !slices.Contains(events, typ) {
			continue
		}
		kept = append(kept, string(typ))
		tag, err := tx.Exec(ctx, `insert into plausible_webhooks.webhook_triggers as t (webhook_id, type, notify_recovery) values ($1, $2, $3)
			on conflict on constraint webhook_triggers_once do update set threshold = null, window_seconds = null, cooldown_seconds = null,
				repeat = true, notify_recovery = excluded.notify_recovery, enabled = true
			where (t.threshold, t.window_seconds, t.cooldown_seconds, t.repeat, t.notify_recovery, t.enabled)
				is distinct from (null::int, null::int, null::int, true, excluded.notify_recovery, true)`, id, string(typ), recovery)
		if err != nil {
			return false, fmt.Errorf("write trigger %s of webhook %d: %w", typ, id, err)
		}
		changed = changed || tag.RowsAffected() > 0
	}
	tag, err := tx.Exec(ctx, `update plausible_webhooks.webhook_triggers set enabled = false
		where webhook_id = $1 and enabled and (goal_id is not null or type <> all($2))`, id, append([]string{}, kept...))
	if err != nil {
		return false, fmt.Errorf("disable triggers of webhook %d: %w", id, err)
	}
	return changed || tag.RowsAffected() > 0, nil
}
