package main

import (
	"context"
	"fmt"
	"maps"
	"time"

	"plausible-webhooks/config/env"
	"plausible-webhooks/config/schema"
	"plausible-webhooks/config/store"
	"plausible-webhooks/evaluator/stats"

	"github.com/jackc/pgx/v5"
)

// pingTimeout is how long a pooled connection that was idle may take to show
// that it is alive. One that a firewall has forgotten never does.
const pingTimeout = 2 * time.Second

// sessionLimits end what a sidecar leaves open whose host has vanished, or that
// was stopped: nobody else would for hours. While it held the row of evaluation's
// progress, another sidecar could lead and not record. They also stand against
// time limits of the role or the database, which may be far too short for us.
var sessionLimits = map[string]string{
	"statement_timeout":                   "60s",
	"lock_timeout":                        "10s",
	"idle_in_transaction_session_timeout": "5s",
	"idle_session_timeout":                "0", // The pool keeps connections.
}

// lasting is a configuration for the connections of a process that goes on.
func lasting(config *pgx.ConnConfig) *pgx.ConnConfig {
	config = config.Copy()
	maps.Copy(config.RuntimeParams, sessionLimits)
	return config
}

// connect opens one connection to Plausible's PostgreSQL. The error names the
// server without user and password.
func connect(ctx context.Context, database env.Database) (*pgx.Conn, error) {
	config, err := database.ConnConfig()
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL at %s (DATABASE_URL): %w", database, err)
	}
	return conn, nil
}

// connectMigrated is connect for commands that need the sidecar's tables.
func connectMigrated(ctx context.Context, database env.Database) (*pgx.Conn, error) {
	conn, err := connect(ctx, database)
	if err != nil {
		return nil, err
	}
	version, err := schema.Version(ctx, conn)
	if err == nil && version < schema.Wanted() {
		err = fmt.Errorf("the tables of the sidecar are at version %d and %d is needed: run `plausible-webhooks migrate` (run does it too)", version, schema.Wanted())
	}
	if err != nil {
		_ = conn.Close(ctx)
		return nil, err
	}
	return conn, nil
}

// withStore gives a command what it needs to edit webhooks.
func (p program) withStore(ctx context.Context, do func(*store.Store, *pgx.Conn) error) error {
	settings, err := p.settings(env.WithoutBaseURL())
	if err != nil {
		return err
	}
	conn, err := connectMigrated(ctx, settings.Database)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return do(openStore(conn, settings), conn)
}

func openStore(db store.Database, settings env.Settings) *store.Store {
	return store.New(db, store.Options{Keys: settings.Keyring(), Targets: settings.Targets(), MaxPerSite: settings.MaxPerSite})
}

// openStats prepares questions to Plausible's ClickHouse without connecting.
func openStats(where env.ClickHouse) (*stats.Client, error) {
	return stats.Open(stats.Options{
		Scheme: where.Scheme, Addr: where.Address(), Database: where.Database, User: where.User,
		Password: where.Password.Reveal(), Secure: where.Secure, Roots: where.Roots,
	})
}
