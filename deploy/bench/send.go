package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"plausible-webhooks/config/schema"
	"plausible-webhooks/deploy/devstack/sidecar"
	"plausible-webhooks/deploy/devstack/stack"
)

// The measurement that was ordered: 10,000 deliveries at once.
const (
	sendSites           = 1_000
	sendWebhooksPerSite = 10
	sendDeliveries      = sendSites * sendWebhooksPerSite
	sendPromise         = 30 * time.Second
	sendPromised        = 95.0            // Per cent delivered within sendPromise.
	sendLimit           = 3 * time.Minute // What is not delivered by then counts as never.

	// settleTime lets the second of the triggers' start pass: rows of that
	// second do not count for them.
	settleTime = 3 * time.Second
)

// benchSend runs the whole path: one event for each of a thousand sites goes
// into ClickHouse with one insert, the built program evaluates and sends, and
// the clock of each delivery runs from the end of that insert to the first
// answer with a 2xx.
func benchSend(ctx context.Context, args []string) (err error) {
	if len(args) > 0 {
		return fmt.Errorf("send: %q is no flag; it has none", args[0])
	}
	dir, err := os.MkdirTemp("", "plausible-webhooks-bench-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	postgres, err := stack.StartPostgres(ctx, stack.PostgresOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, postgres.Stop()) }()
	database, err := postgres.CreateDatabase(ctx, "plausible_db", stack.V32)
	if err != nil {
		return err
	}
	clickhouse, err := stack.StartClickHouse(ctx, stack.ClickHouseOptions{Profile: stack.ProfileCE})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, clickhouse.Stop()) }()
	events, err := clickhouse.CreateDatabase(ctx, "plausible_events_db")
	if err != nil {
		return err
	}
	receivers, err := startReceivers()
	if err != nil {
		return err
	}
	defer receivers.stop()
	caFile, err := receivers.caFile(dir)
	if err != nil {
		return err
	}
	db, err := pgxpool.New(ctx, database)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer db.Close()
	sites, err := seedWebhooks(ctx, db, receivers.url())
	if err != nil {
		return err
	}

	binary, err := sidecar.Build(ctx, dir)
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(dir, "sidecar.log"))
	if err != nil {
		return fmt.Errorf("open the sidecar's log: %w", err)
	}
	defer func() { _ = log.Close() }()
	process, err := sidecar.Start(binary, append(os.Environ(),
		"DATABASE_URL="+database, "CLICKHOUSE_DATABASE_URL="+events, "BASE_URL=https://plausible.example.com",
		"WEBHOOKS_PLAUSIBLE_URL=http://127.0.0.1:9", // Nobody there; nothing here needs the page.
		"SECRET_KEY_BASE=bench-only-bench-only-bench-only-bench-only-bench-only-bench-only",
		"WEBHOOKS_CA_FILE="+caFile, "WEBHOOKS_ALLOWED_TARGETS=127.0.0.0/8",
	), log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, process.Stop()) }()
	readyCtx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := process.Ready(readyCtx); err != nil {
		return err
	}
	select {
	case <-time.After(settleTime):
	case <-ctx.Done():
		return ctx.Err()
	}

	fmt.Printf("%d events into ClickHouse, each completing a goal that %d webhooks wait for\n", sendSites, sendWebhooksPerSite)
	begun, err := insertCompletions(ctx, events, sites)
	if err != nil {
		return err
	}
	waitCtx, cancelWait := context.WithTimeout(ctx, sendLimit)
	defer cancelWait()
	receivers.waitFor(waitCtx, process.Exited())
	return reportSend(ctx, db, begun, receivers, process.PID())
}

// seedWebhooks makes the sites, their goals, webhooks and triggers, and
// returns the site ids.
func seedWebhooks(ctx context.Context, db *pgxpool.Pool, url string) ([]uint64, error) {
	conn, err := db.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer conn.Release()
	if _, err := schema.Migrate(ctx, conn.Conn()); err != nil {
		return nil, err
	}
	var sites []uint64
	for i := range sendSites {
		site, err := stack.AddSite(ctx, conn, stack.Site{Domain: fmt.Sprintf("site-%04d.example", i)})
		if err != nil {
			return nil, err
		}
		if _, err := stack.AddGoal(ctx, conn, site, stack.Goal{EventName: "Signup"}); err != nil {
			return nil, err
		}
		sites = append(sites, uint64(site))
	}
	if _, err := conn.Exec(ctx, `with hooks as (
			insert into plausible_webhooks.webhooks (site_id, name, url)
			select s.id, 'Receiver ' || n, $1 || s.id * $2 + n
			from sites s cross join generate_series(0, $2 - 1) n returning id)
		insert into plausible_webhooks.webhook_triggers (webhook_id, type) select id, 'goal.completed' from hooks`,
		url, sendWebhooksPerSite); err != nil {
		return nil, fmt.Errorf("insert webhooks and triggers: %w", err)
	}
	return sites, nil
}

// insertCompletions returns the moment from which the rows were there.
func insertCompletions(ctx context.Context, database string, sites []uint64) (time.Time, error) {
	rows := make([]stack.Event, len(sites))
	for i, site := range sites {
		rows[i] = stack.Event{SiteID: site, Name: "Signup", Timestamp: time.Now()}
	}
	err := stack.InsertEvents(ctx, database, rows)
	return time.Now(), err
}
