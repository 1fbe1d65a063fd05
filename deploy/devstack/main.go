// Command devstack runs what the sidecar lives beside: PostgreSQL with
// Plausible's schema, the ClickHouse engine, a stand-in for Plausible's web
// side, a proxy in front of it and of the sidecar, and a recording receiver.
// Everything listens on loopback and is gone when the program ends.
//
//	go run ./deploy/devstack
//	go run ./deploy/devstack -postgres 18 -wal-level replica
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/jackc/pgx/v5/pgxpool"

	"plausible-webhooks/deploy/devstack/plausible"
	"plausible-webhooks/deploy/devstack/proxy"
	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/deploy/devstack/stack"
)

// sidecarPages is where a sidecar listens that was not told otherwise.
const sidecarPages = "http://127.0.0.1:8001"

func main() {
	var opts options
	flag.IntVar(&opts.postgres, "postgres", 16, "PostgreSQL `version`: 16, 17 or 18")
	flag.StringVar(&opts.walLevel, "wal-level", "logical", "PostgreSQL's wal_level: logical or replica")
	flag.StringVar(&opts.version, "plausible", string(stack.V32), "Plausible's `version`, which decides the tables: v2.1, v3.0 or v3.2")
	flag.StringVar(&opts.layout, "layout", string(plausible.Current), "page structure of the stand-in: current, older or unknown")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, opts); err != nil {
		fmt.Fprintln(os.Stderr, "devstack:", err)
		os.Exit(1)
	}
}

type options struct {
	postgres                  int
	walLevel, version, layout string
}

func run(ctx context.Context, opts options) (err error) {
	postgres, err := stack.StartPostgres(ctx, stack.PostgresOptions{Version: opts.postgres, WALLevel: opts.walLevel})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, postgres.Stop()) }()
	version := stack.PlausibleVersion(opts.version)
	database, err := postgres.CreateDatabase(ctx, "plausible_db", version)
	if err != nil {
		return err
	}
	clickhouse, err := stack.StartClickHouse(ctx, stack.ClickHouseOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, clickhouse.Stop()) }()
	events, err := clickhouse.CreateDatabase(ctx, "plausible_events_db")
	if err != nil {
		return err
	}
	if err := seed(ctx, database); err != nil {
		return err
	}
	web, err := plausible.Start(ctx, plausible.Options{DatabaseURL: database, ClickHouseURL: events, Layout: plausible.Layout(opts.layout)})
	if err != nil {
		return err
	}
	defer web.Stop()
	front, err := proxy.Start("")
	if err != nil {
		return err
	}
	defer front.Stop()
	if err := errors.Join(front.Plausible(web.URL()), front.Sidecar(sidecarPages)); err != nil {
		return err
	}
	hooks, err := receiver.Start(receiver.Options{OnRequest: func(r receiver.Request) {
		fmt.Printf("receiver: %s %s %s\n", r.Path, r.Header.Get("X-Webhook-Event"), r.Body)
	}})
	if err != nil {
		return err
	}
	defer hooks.Stop()
	dir, err := os.MkdirTemp("", "plausible-webhooks-devstack-")
	if err != nil {
		return fmt.Errorf("make a folder for the receiver's certificate authority: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	caFile, err := hooks.CAFile(dir)
	if err != nil {
		return err
	}
	fmt.Printf(`PostgreSQL %d, wal_level=%s, Plausible %s. Stop with Ctrl-C. In another terminal:

  export DATABASE_URL='%s'
  export CLICKHOUSE_DATABASE_URL='%s'
  export BASE_URL='%s' WEBHOOKS_PLAUSIBLE_URL='%s'
  export WEBHOOKS_CA_FILE='%s' WEBHOOKS_ALLOWED_TARGETS=127.0.0.0/8
  go run ./cmd/plausible-webhooks check
  go run ./cmd/plausible-webhooks migrate
  go run ./cmd/plausible-webhooks webhook add --site example.com --url '%s' --trigger traffic.spike,threshold=2
  go run ./cmd/plausible-webhooks run

Plausible (stand-in)  %[6]s   sign in as %[10]s / %[11]s
Webhooks page         %[6]s/example.com/settings/webhooks   while the sidecar runs
Receiver              %[9]s   what came: %[12]s
                      how to answer: curl -X POST '%[12]s?path=/hook&do=fail:3'
`, opts.postgres, opts.walLevel, opts.version, database, events, front.URL(), web.URL(), filepath.Clean(caFile), hooks.URL("/hook"),
		plausible.DemoEmail, plausible.DemoPassword, hooks.HTTPURL("/_control"))
	<-ctx.Done()
	return nil
}

// seed makes one account with one site, so that there is something to look at.
func seed(ctx context.Context, database string) error {
	db, err := pgxpool.New(ctx, database)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer db.Close()
	account, err := plausible.AddAccount(ctx, db, plausible.DemoEmail, plausible.DemoPassword)
	if err != nil {
		return err
	}
	_, err = account.AddSite(ctx, db, stack.Site{Domain: "example.com"})
	return err
}
