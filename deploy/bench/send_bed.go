package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"plausible-webhooks/config/schema"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/target"
	"plausible-webhooks/deploy/devstack/sidecar"
	"plausible-webhooks/deploy/devstack/stack"
	"plausible-webhooks/sender"
)

const (
	benchSecret  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	benchKeyBase = "bench-only-bench-only-bench-only-bench-only-bench-only-bench-only"

	// patience bounds every wait for the program, so that a failure of it
	// ends the benchmark.
	patience = 90 * time.Second
)

// sendBed is what all parts share: a server, a receiver, a folder.
type sendBed struct {
	options  sendOptions
	part     string // Being measured.
	dir      string
	postgres *stack.Postgres
	receiver *answerer
	binary   string // Built when the first part needs it.
}

func newSendBed(ctx context.Context, o sendOptions) (_ *sendBed, err error) {
	b := &sendBed{options: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.dir, err = os.MkdirTemp("", "plausible-webhooks-bench-"); err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	// As PostgreSQL is by itself: every commit is on the disk before anybody
	// goes on.
	if b.postgres, err = stack.StartPostgres(ctx, stack.PostgresOptions{
		Settings: map[string]string{"fsync": "on", "full_page_writes": "on"},
	}); err != nil {
		return nil, err
	}
	if b.receiver, err = startAnswerer(); err != nil {
		return nil, err
	}
	return b, nil
}

func (b *sendBed) close() (err error) {
	if b.receiver != nil {
		b.receiver.stop()
	}
	if b.postgres != nil {
		err = b.postgres.Stop()
	}
	return errors.Join(err, os.RemoveAll(b.dir))
}

// build compiles the program, once.
func (b *sendBed) build(ctx context.Context) (err error) {
	if b.binary == "" {
		b.tell("building the program")
		b.binary, err = sidecar.Build(ctx, b.dir)
	}
	return err
}

// startSidecar starts the built program.
func (b *sendBed) startSidecar(ctx context.Context, database, events, caFile string) (_ *sidecar.Process, err error) {
	if err := b.build(ctx); err != nil {
		return nil, err
	}
	return startLogged(b.binary, environment(database, events, onLoopback(caFile)...), filepath.Join(b.dir, b.part+".log"))
}

// world is a database of its own for one measurement: with the connections of
// a sender, and one of somebody else who inserts and looks.
type world struct {
	url     string
	db      *pgxpool.Pool
	outside *pgx.Conn
	bed     *sendBed
}

func (b *sendBed) newWorld(ctx context.Context, name string) (_ *world, err error) {
	w := &world{bed: b}
	if w.url, err = b.postgres.CreateDatabase(ctx, name, stack.V32); err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(w.url)
	if err != nil {
		return nil, fmt.Errorf("read the database's address: %w", err)
	}
	config.MaxConns = poolSize
	if w.db, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	if w.outside, err = pgx.Connect(ctx, w.url); err != nil {
		w.db.Close()
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	if _, err := schema.Migrate(ctx, w.outside); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *world) close() error {
	w.db.Close()
	return w.outside.Close(context.Background())
}

// senderOptions are those of the program, with what it logs by default.
func (w *world) senderOptions() (sender.Options, error) {
	o := sender.Defaults()
	o.DB = w.db
	o.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Info, Output: io.Discard})
	loopback, err := target.ParseAllowed("127.0.0.0/8")
	if err != nil {
		return o, err
	}
	o.Rules.AllowedTargets = []target.Allowed{loopback}
	if o.Roots, err = sender.Roots(w.bed.receiver.ca); err != nil {
		return o, err
	}
	o.Keys, err = secret.NewKeyring(secret.Text{}, secret.New(benchKeyBase))
	return o, err
}

// run starts a sender; stop ends it.
func (w *world) run(ctx context.Context, change func(*sender.Options)) (stop func() error, err error) {
	o, err := w.senderOptions()
	if err != nil {
		return nil, err
	}
	if change != nil {
		change(&o)
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- sender.New(o).Run(ctx) }()
	return func() error {
		cancel()
		return <-ended
	}, nil
}

// webhooks adds so many at a path of the receiver, each with its number after
// it, and returns their ids.
func (w *world) webhooks(ctx context.Context, path string, n int) ([]int64, error) {
	rows, err := w.outside.Query(ctx, `insert into plausible_webhooks.webhooks (url, secret)
		select $1 || n, $2 from generate_series(1, $3) n returning id`, w.bed.receiver.url(path), benchSecret, n)
	if err != nil {
		return nil, fmt.Errorf("add webhooks: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("add webhooks: %w", err)
	}
	return ids, nil
}

// enqueue adds so many deliveries, to the webhooks in turn.
func (w *world) enqueue(ctx context.Context, webhooks []int64, n int, payload string) error {
	if _, err := w.outside.Exec(ctx, `insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload)
		select ($1::bigint[])[1 + n % cardinality($1::bigint[])], 'goal.completed', $2 from generate_series(1, $3) n`,
		webhooks, payload, n); err != nil {
		return fmt.Errorf("queue deliveries: %w", err)
	}
	return nil
}

// enqueueOne adds and commits one delivery and returns its id, and when its
// commit had returned.
func (w *world) enqueueOne(ctx context.Context, webhook int64, payload string) (id string, committed time.Time, err error) {
	if err := w.outside.QueryRow(ctx, `insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload)
		values ($1, 'goal.completed', $2) returning id::text`, webhook, payload).Scan(&id); err != nil {
		return "", time.Time{}, fmt.Errorf("queue a delivery: %w", err)
	}
	return id, time.Now(), nil
}

// until waits for a number that a query gives.
func (w *world) until(ctx context.Context, want int, sql string, values ...any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for got := -1; ; {
		if err := w.outside.QueryRow(ctx, sql, values...).Scan(&got); err != nil {
			return fmt.Errorf("wait for %d of %s, there were %d: %w", want, sql, got, err)
		}
		if got == want {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %d of %s, there were %d: %w", want, sql, got, ctx.Err())
		}
	}
}
