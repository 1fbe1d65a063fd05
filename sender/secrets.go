package sender

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"plausible-webhooks/config/secret"
)

// Where secrets are stored; both names bind a ciphertext to its place.
const (
	webhooksTable        = "webhooks"
	secretColumn         = "secret"
	previousSecretColumn = "previous_secret"
)

// secretsOf returns the secrets that sign for a webhook now, the current one
// first. A webhook without one gets it here, before its first request.
func (s *Sender) secretsOf(ctx context.Context, hook *webhook) ([]secret.Text, error) {
	stored := hook.secret
	if stored == nil || *stored == "" {
		made, err := s.makeSecret(ctx, hook.id)
		if err != nil {
			return nil, err
		}
		stored = &made
	}
	current, err := s.options.Keys.Open(*stored, webhooksTable, secretColumn, hook.id)
	if err != nil {
		return nil, err
	}
	secrets := []secret.Text{current}
	if hook.previous != nil && *hook.previous != "" {
		previous, err := s.options.Keys.Open(*hook.previous, webhooksTable, previousSecretColumn, hook.id)
		switch {
		case err == nil:
			secrets = append(secrets, previous)
		case errors.Is(err, secret.ErrKeyMissing) || errors.Is(err, secret.ErrDamaged):
			// The current secret signs; the old one is on its way out.
			s.warnOnce(hook.id, "previous secret cannot be used, signing with the current one alone", err)
		default:
			return nil, err
		}
	}
	return secrets, nil
}

// makeSecret gives a webhook its secret, sealed where there is a key. Of
// several senders that do so at once one wins, and all return its secret, as
// stored.
func (s *Sender) makeSecret(ctx context.Context, webhook int64) (string, error) {
	plain, err := secret.Generate(s.options.Random)
	if err != nil {
		return "", err
	}
	sealed, err := s.options.Keys.Seal(plain, webhooksTable, secretColumn, webhook)
	if err != nil {
		return "", err
	}
	if _, err := s.options.DB.Exec(ctx, `update plausible_webhooks.webhooks set secret = $2
		where id = $1 and coalesce(secret, '') = ''`, webhook, sealed); err != nil {
		return "", fmt.Errorf("store a new secret of webhook %d: %w", webhook, err)
	}
	var stored string
	if err := s.options.DB.QueryRow(ctx, `select coalesce(secret, '') from plausible_webhooks.webhooks where id = $1`, webhook).Scan(&stored); err != nil {
		return "", fmt.Errorf("read the secret of webhook %d: %w", webhook, err)
	}
	return stored, nil
}

// sealPlain encrypts the secrets that others wrote as plain text. A secret
// that changes at the same moment is left for the next time.
func (s *Sender) sealPlain(ctx context.Context) error {
	if s.options.Keys.Empty() {
		return nil
	}
	for _, column := range []string{secretColumn, previousSecretColumn} {
		// The column names are constants of this file.
		rows, err := s.options.DB.Query(ctx, fmt.Sprintf(`select id, %[1]s from plausible_webhooks.webhooks
			where %[1]s <> '' and %[1]s not like 'enc1:%%'`, column))
		if err != nil {
			return fmt.Errorf("look for plain secrets: %w", err)
		}
		type plainSecret struct {
			id    int64
			plain string
		}
		found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p plainSecret, err error) {
			return p, row.Scan(&p.id, &p.plain)
		})
		if err != nil {
			return fmt.Errorf("look for plain secrets: %w", err)
		}
		for _, p := range found {
			sealed, err := s.options.Keys.Seal(secret.New(p.plain), webhooksTable, column, p.id)
			if err != nil {
				return err
			}
			if _, err := s.options.DB.Exec(ctx, fmt.Sprintf(`update plausible_webhooks.webhooks set %[1]s = $3
				where id = $1 and %[1]s = $2`, column), p.id, p.plain, sealed); err != nil {
				return fmt.Errorf("encrypt the %s of webhook %d: %w", column, p.id, err)
			}
		}
	}
	return nil
}

// usable reports whether a stored secret can sign. The reason that it cannot
// is logged once for each webhook, until it can again.
func (s *Sender) usable(webhook int64, stored *string) error {
	if stored == nil {
		return nil
	}
	_, err := s.options.Keys.Open(*stored, webhooksTable, secretColumn, webhook)
	if err == nil {
		s.warned.Delete(webhook)
		s.explained.Delete(webhook)
		return nil
	}
	s.warnOnce(webhook, "deliveries wait: the webhook's secret cannot be used", err)
	return err
}

func (s *Sender) warnOnce(webhook int64, message string, err error) {
	if _, before := s.warned.Swap(webhook, struct{}{}); !before {
		s.log.Error(message, "webhook", webhook, "error", err)
	}
}

const (
	// explainInterval bounds how often waiting deliveries are told why, and
	// explainMost how many: the log shows it, and the backlog may be long.
	explainInterval = 10 * time.Second
	explainMost     = 100
)

// explainWait writes into waiting deliveries why they wait.
func (s *Sender) explainWait(ctx context.Context, webhook int64, reason error) error {
	if at, before := s.explained.Load(webhook); before && time.Since(at.(time.Time)) < explainInterval {
		return nil
	}
	s.explained.Store(webhook, time.Now())
	_, err := s.options.DB.Exec(ctx, `update plausible_webhooks.webhook_deliveries set last_error = $2
		where id in (select id from plausible_webhooks.webhook_deliveries
			where webhook_id = $1 and status = 'pending' and next_attempt_at <= now() and last_error is distinct from $2
			order by next_attempt_at limit $3 for update skip locked)`,
		webhook, clean([]byte("waits: "+reason.Error()), errorBytes), explainMost)
	if err != nil {
		return fmt.Errorf("explain why deliveries of webhook %d wait: %w", webhook, err)
	}
	return nil
}
