package store

import (
	"context"
	"fmt"
	"time"

	"plausible-webhooks/config/secret"

	"github.com/jackc/pgx/v5"
)

// RotateSecret gives a webhook a new secret: the one that is given, or one
// that is made. The old one goes on signing beside it for the overlap, at most
// MaxOverlap; zero: it stops at once. An old secret whose key is lost has no
// overlap, since nobody can sign with it: kept tells.
func (s *Store) RotateSecret(ctx context.Context, id int64, given secret.Text, overlap time.Duration) (shown secret.Text, kept bool, err error) {
	var found mistakes
	checkSecret(given, &found)
	if overlap < 0 || overlap > MaxOverlap {
		found.add(FieldOverlap, "%v is not between 0 and %v", overlap, MaxOverlap)
	}
	if err := found.err(); err != nil {
		return secret.Text{}, false, err
	}
	err = s.inTransaction(ctx, "rotate a secret", func(tx pgx.Tx) error {
		if _, err := s.editable(ctx, tx, id); err != nil {
			return err
		}
		if shown = given; shown.Empty() {
			if shown, err = secret.Generate(s.random); err != nil {
				return err
			}
		}
		old, err := s.presentSecret(ctx, tx, id)
		if err != nil {
			return err
		}
		if old.Equal(shown) {
			return invalid(FieldSecret, "it is the present secret already")
		}
		kept = overlap > 0 && !old.Empty()
		return s.replaceSecret(ctx, tx, id, old, shown, overlap)
	})
	if err != nil {
		return secret.Text{}, false, err
	}
	return shown, kept, nil
}

// presentSecret returns the webhook's secret; empty where there is none and
// where it cannot be opened, which a new one mends.
func (s *Store) presentSecret(ctx context.Context, tx pgx.Tx, id int64) (secret.Text, error) {
	var stored *string
	if err := tx.QueryRow(ctx, "select secret from plausible_webhooks.webhooks where id = $1", id).Scan(&stored); err != nil {
		return secret.Text{}, fmt.Errorf("read the secret of webhook %d: %w", id, err)
	}
	if stored == nil {
		return secret.Text{}, nil
	}
	plain, err := s.keys.Open(*stored, secretsTable, secretColumn, id)
	if err != nil {
		return secret.Text{}, nil
	}
	return plain, nil
}

// replaceSecret seals both secrets, each for its own column.
func (s *Store) replaceSecret(ctx context.Context, tx pgx.Tx, id int64, old, fresh secret.Text, overlap time.Duration) error {
	sealed, err := s.seal(fresh, secretColumn, id)
	if err != nil {
		return err
	}
	if overlap == 0 {
		old = secret.Text{}
	}
	previous, err := s.seal(old, previousSecretColumn, id)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `update plausible_webhooks.webhooks set secret = $2, previous_secret = $3::text,
		previous_secret_expires_at = case when $3::text is not null then now() + $4 * interval '1 second' end, updated_at = now()
		where id = $1`, id, sealed, previous, overlap.Seconds())
	if err != nil {
		return fmt.Errorf("store the new secret of webhook %d: %w", id, err)
	}
	return nil
}

// UnreadableSecret is a webhook whose secret cannot be opened.
type UnreadableSecret struct {
	WebhookID int64
	Column    string
	Err       error // A secret.KeyMissingError or secret.ErrDamaged.
}

// UnreadableSecrets tries every stored secret with the keys at hand.
func (s *Store) UnreadableSecrets(ctx context.Context) (unreadable []UnreadableSecret, err error) {
	err = s.inTransaction(ctx, "read secrets", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `select id, 'secret', secret from plausible_webhooks.webhooks where secret is not null
			union all select id, 'previous_secret', previous_secret from plausible_webhooks.webhooks
			where previous_secret is not null and previous_secret_expires_at > now() order by 1, 2 desc`)
		if err != nil {
			return fmt.Errorf("read secrets: %w", err)
		}
		var id int64
		var column, stored string
		_, err = pgx.ForEachRow(rows, []any{&id, &column, &stored}, func() error {
			if _, e := s.keys.Open(stored, secretsTable, column, id); e != nil {
				unreadable = append(unreadable, UnreadableSecret{WebhookID: id, Column: column, Err: e})
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read secrets: %w", err)
		}
		return nil
	})
	return unreadable, err
}
