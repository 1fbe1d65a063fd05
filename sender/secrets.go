package sender

import (
	"context"
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
func (s *Sender) secretsOf(hook *webhook) ([]secret.Text, error) {
	stored := hook.secret
	if stored == nil || *stored == "" {
		made, err := s.makeSecret(hook.id)
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
		case unopened(err):
			// The current secret signs; the old one is on its way out.
			s.warnOnce(complaint{hook.id, unusablePrevious}, err)
		default:
			return nil, err
		}
	}
	return secrets, nil
}

// newSecret is a secret made for a webhook that has none, as it is to be
// stored.
type newSecret struct {
	webhook int64
	sealed  string
}

// makeSecret gives a webhook its secret, sealed where there is a key. Of
// several senders that do so at once one wins, and all return its secret, as
// stored.
func (s *Sender) makeSecret(webhook int64) (string, error) {
	plain, err := secret.Generate(s.options.Random)
	if err != nil {
		return "", err
	}
	sealed, err := s.options.Keys.Seal(plain, webhooksTable, secretColumn, webhook)
	if err != nil {
		return "", err
	}
	stored, err := s.secrets.do(newSecret{webhook, sealed})
	if err == nil && stored == "" {
		err = fmt.Errorf("make a secret of webhook %d: it was deleted", webhook)
	}
	return stored, err
}

// storeSecrets returns what is stored afterwards: empty, where the webhook is
// gone.
func (s *Sender) storeSecrets(ctx context.Context, made []newSecret) ([]string, error) {
	ids, sealed := make([]int64, len(made)), make([]string, len(made))
	for i, m := range made {
		ids[i], sealed[i] = m.webhook, m.sealed
	}
	if _, err := s.options.DB.Exec(ctx, `update plausible_webhooks.webhooks h set secret = m.secret
		from unnest($1::bigint[], $2::text[]) as m (id, secret) where h.id = m.id and coalesce(h.secret, '') = ''`, ids, sealed); err != nil {
		return nil, fmt.Errorf("store new secrets: %w", err)
	}
	// A statement of its own: another sender's secret may have come first, and
	// is to be seen only now.
	rows, err := s.options.DB.Query(ctx, `select id, coalesce(secret, '') from plausible_webhooks.webhooks where id = any ($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("read new secrets: %w", err)
	}
	stored := make(map[int64]string, len(made))
	var id int64
	var text string
	if _, err := pgx.ForEachRow(rows, []any{&id, &text}, func() error {
		stored[id] = text
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read new secrets: %w", err)
	}
	answers := make([]string, len(made))
	for i, m := range made {
		answers[i] = stored[m.webhook]
	}
	return answers, nil
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

// usable reports whether everything can be opened that a webhook's requests
// need. Chat formats are not signed and need no secret.
func (s *Sender) usable(c candidate) error {
	unsigned, unsent := s.usableSecret(c.id, c.secret), s.usableHeaders(c.id, c.headers)
	switch {
	case unsigned != nil && c.format.Signed():
		return unsigned
	case unsent != nil:
		return unsent
	}
	s.explained.Delete(c.id)
	return nil
}

// usableSecret reports whether a stored secret can sign. The reason that it
// cannot is logged once for each webhook, until it can again.
func (s *Sender) usableSecret(webhook int64, stored *string) error {
	if stored == nil {
		return nil
	}
	_, err := s.options.Keys.Open(*stored, webhooksTable, secretColumn, webhook)
	if err == nil {
		s.warned.Delete(complaint{webhook, unusableSecret})
		return nil
	}
	s.warnOnce(complaint{webhook, unusableSecret}, err)
	return err
}

// complaint is what is logged once for a webhook.
type complaint struct {
	webhook int64
	message string
}

const (
	unusableSecret   = "deliveries wait: the webhook's secret cannot be used"
	unusableHeaders  = "deliveries wait: a header of the webhook cannot be used"
	unusablePrevious = "the webhook's previous secret cannot be used, signing with the current one alone"
)

func (s *Sender) warnOnce(c complaint, err error) {
	if _, before := s.warned.Swap(c, struct{}{}); !before {
		s.log.Error(c.message, "webhook", c.webhook, "error", err)
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
