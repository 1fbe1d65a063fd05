package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"plausible-webhooks/config/schema"
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

// measureFanout runs the whole path: one event for each of a thousand sites goes
// into ClickHouse with one insert, the built program evaluates and sends, and
// the clock of each delivery runs from the end of that insert to the first
// answer with a 2xx.
func measureFanout(ctx context.Context, bed *sendBed) (_ []promise, err error) {
	database, err := bed.postgres.CreateDatabase(ctx, "fanout_db", stack.V32)
	if err != nil {
		return nil, err
	}
	clickhouse, err := stack.StartClickHouse(ctx, stack.ClickHouseOptions{Profile: stack.ProfileCE})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, clickhouse.Stop()) }()
	events, err := clickhouse.CreateDatabase(ctx, "plausible_events_db")
	if err != nil {
		return nil, err
	}
	receivers, err := startReceivers()
	if err != nil {
		return nil, err
	}
	defer receivers.stop()
	caFile, err := receivers.caFile(bed.dir)
	if err != nil {
		return nil, err
	}
	db, err := pgxpool.New(ctx, database)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer db.Close()
	sites, err := seedWebhooks(ctx, db, receivers.url())
	if err != nil {
		return nil, err
	}

	process, err := bed.startSidecar(ctx, database, events, caFile)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, process.Stop()) }()
	readyCtx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := process.Ready(readyCtx); err != nil {
		return nil, err
	}
	select {
	case <-time.After(settleTime):
	case <-ctx.Done():
		return nil, ctx.Err()
	}

	bed.tell("%d events into ClickHouse, each completing a goal that %d webhooks wait for", sendSites, sendWebhooksPerSite)
	begun, err := insertCompletions(ctx, events, sites)
	if err != nil {
		return nil, err
	}
	waitCtx, cancelWait := context.WithTimeout(ctx, sendLimit)
	defer cancelWait()
	receivers.waitFor(waitCtx, process.Exited())
	return fanoutPromises(ctx, db, begun, receivers, process.PID())
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
