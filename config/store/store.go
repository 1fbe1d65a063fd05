package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"time"

	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/target"

	"github.com/jackc/pgx/v5"
)

// MaxTriggers is how many triggers one webhook may have (deploy/REFERENCE.md section 1).
const MaxTriggers = 100

// DefaultMaxPerSite is the default of WEBHOOKS_MAX_PER_SITE.
const DefaultMaxPerSite = 20

// DefaultOverlap is how long the old secret goes on signing after a rotation
// (deploy/REFERENCE.md section 4).
const DefaultOverlap = 24 * time.Hour

// MaxOverlap bounds the overlap of a rotation: whoever needs longer has not
// rotated.
const MaxOverlap = 30 * 24 * time.Hour

// Database is a *pgxpool.Pool or a *pgx.Conn.
type Database interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// Options are what editing depends on besides the database.
type Options struct {
	Keys       secret.Keyring
	Targets    target.Rules
	MaxPerSite int       // Webhooks on one site; zero: DefaultMaxPerSite.
	Random     io.Reader // Where secrets come from; nil: crypto/rand.
}

// Store reads and edits webhooks. It is as safe for concurrent use as its
// Database.
type Store struct {
	db         Database
	keys       secret.Keyring
	targets    target.Rules
	maxPerSite int
	random     io.Reader
	only       int64 // The one site that OfSite names; zero: everything.
}

// New returns a store on a database whose schema is up to date.
func New(db Database, options Options) *Store {
	s := &Store{db: db, keys: options.Keys, targets: options.Targets, maxPerSite: options.MaxPerSite, random: options.Random}
	if s.maxPerSite == 0 {
		s.maxPerSite = DefaultMaxPerSite
	}
	if s.random == nil {
		s.random = rand.Reader
	}
	return s
}

// limits are those of a transaction, which locks tables of Plausible as it reads
// them: weakly, and a migration of Plausible waits for it all the same. It waits
// for nobody else's lock for longer than a second meanwhile, and where we do not
// go on with it, or do not take its rows, the server gives it up.
const limits = `set local lock_timeout = '1s'; set local idle_in_transaction_session_timeout = '2s'; set local tcp_user_timeout = '1s'`

// inTransaction runs do in one transaction: committed if it returns nil, else
// rolled back. What names the operation in errors of the database; ErrBusy is one.
func (s *Store) inTransaction(ctx context.Context, what string, do func(pgx.Tx) error) error {
	tx, err := s.db.Begin(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // No effect after a commit.
	if _, err := tx.Exec(ctx, limits); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := do(tx); err != nil {
		return busy(err)
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
