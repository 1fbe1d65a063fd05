package store

import (
	"context"
	"fmt"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/secret"

	"github.com/jackc/pgx/v5"
)

// siteLock separates our advisory locks on sites from everyone else's.
const siteLock = 0x706c_7768

// The names under which secrets are sealed (deploy/REFERENCE.md section 3: associated
// data is table, column and id).
const (
	secretsTable         = "webhooks"
	secretColumn         = "secret"
	previousSecretColumn = "previous_secret"
)

// Add stores a webhook with its triggers. The secret is the one that was
// given, or one that was made where the format is signed, else empty; it is
// returned this once. Mistakes are an *Invalid.
func (s *Store) Add(ctx context.Context, entered NewWebhook) (id int64, shown secret.Text, err error) {
	var found mistakes
	url := checkURL(entered.URL, s.targets, &found)
	name := checkName(entered.Name, &found)
	format := checkFormat(entered.Format, &found)
	checkSecret(entered.Secret, &found)
	checkTimeout(entered.TimeoutSeconds, &found)
	checkHeaders(entered.Headers, &found)
	checkTriggers(entered.Triggers, &found)
	checkTriggerCount(len(entered.Triggers), &found)

	err = s.inTransaction(ctx, "add a webhook", func(tx pgx.Tx) error {
		of, err := s.siteWithRoom(ctx, tx, entered.Site, &found)
		if err != nil {
			return err
		}
		triggers := entered.Triggers
		if of.id != 0 || entered.Site == "" && s.only == 0 {
			// Without knowing the site, nothing can be said about its goals.
			if triggers, err = resolveGoals(ctx, tx, of, entered.Triggers, &found); err != nil {
				return err
			}
		}
		if err := found.err(); err != nil {
			return err
		}
		if shown, err = s.givenOrMade(entered.Secret, format); err != nil {
			return err
		}
		entered.Name, entered.URL, entered.Format, entered.Secret = name, url, format, shown
		if id, err = s.insertWebhook(ctx, tx, of, entered); err != nil {
			return err
		}
		return putTriggers(ctx, tx, id, triggers, &found)
	})
	if err != nil {
		return 0, secret.Text{}, err
	}
	return id, shown, nil
}

// siteWithRoom finds the site and takes its lock, so that two who add at once
// cannot both take the last place. An empty domain is the whole instance.
func (s *Store) siteWithRoom(ctx context.Context, tx pgx.Tx, domain string, found *mistakes) (site, error) {
	if domain == "" && s.only == 0 {
		return site{}, nil
	}
	of, err := s.findSite(ctx, tx, domain)
	if invalid, ok := err.(*Invalid); ok {
		*found = append(*found, invalid.Fields...)
		return site{}, nil
	}
	if err != nil {
		return site{}, err
	}
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1, hashint8($2))", siteLock, of.id); err != nil {
		return site{}, fmt.Errorf("lock site %s: %w", of.domain, err)
	}
	var count int
	if err := tx.QueryRow(ctx, "select count(*) from plausible_webhooks.webhooks where site_id = $1", of.id).Scan(&count); err != nil {
		return site{}, fmt.Errorf("count webhooks of %s: %w", of.domain, err)
	}
	if count >= s.maxPerSite {
		found.add(FieldSite, "%s has %d webhooks already, and WEBHOOKS_MAX_PER_SITE allows %d: remove one or raise the limit", of.domain, count, s.maxPerSite)
	}
	return of, nil
}

// givenOrMade makes a secret only where receivers check signatures: a chat
// service's user would not know what to do with one.
func (s *Store) givenOrMade(given secret.Text, format event.Format) (secret.Text, error) {
	if !given.Empty() || !format.Signed() {
		return given, nil
	}
	return secret.Generate(s.random)
}

// insertWebhook draws the id first, since secret and headers are sealed for it.
// The triggers are left to the caller.
func (s *Store) insertWebhook(ctx context.Context, tx pgx.Tx, of site, w NewWebhook) (int64, error) {
	var id int64
	if err := tx.QueryRow(ctx, "select nextval(pg_get_serial_sequence('plausible_webhooks.webhooks', 'id'))").Scan(&id); err != nil {
		return 0, fmt.Errorf("draw an id for the webhook: %w", err)
	}
	sealed, err := s.seal(w.Secret, secretColumn, id)
	if err != nil {
		return 0, err
	}
	headers, err := s.newHeaders(id, w.Headers)
	if err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `insert into plausible_webhooks.webhooks
			(id, site_id, site_team_id, name, url, format, secret, headers, timeout_seconds)
		values ($1, nullif($2, 0::bigint), nullif($3, 0::bigint), $4, $5, $6, $7, $8::text::jsonb, nullif($9, 0::integer))`,
		id, of.id, of.team, w.Name, w.URL, string(w.Format), sealed, headers, w.TimeoutSeconds)
	if err != nil {
		return 0, fmt.Errorf("insert the webhook: %w", err)
	}
	return id, nil
}

// seal returns null for no secret.
func (s *Store) seal(plain secret.Text, column string, id int64) (*string, error) {
	if plain.Empty() {
		return nil, nil
	}
	sealed, err := s.keys.Seal(plain, secretsTable, column, id)
	if err != nil {
		return nil, err
	}
	return &sealed, nil
}
