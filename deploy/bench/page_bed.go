package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/jackc/pgx/v5"

	"plausible-webhooks/config/schema"
	"plausible-webhooks/deploy/devstack/plausible"
	"plausible-webhooks/deploy/devstack/sidecar"
	"plausible-webhooks/deploy/devstack/stack"
)

const (
	pageSite  = "site.example.com"
	pageHooks = 1_000 // On the instance, 20 of them on each site.
)

// pageBed is an instance with much in it.
type pageBed struct {
	options    pageOptions
	dir        string
	postgres   *stack.Postgres
	clickhouse *stack.ClickHouse
	web        *plausible.Server
	process    *sidecar.Process
	cookies    []*http.Cookie
	delivery   string // One that failed.
}

func newPageBed(ctx context.Context, o pageOptions) (_ *pageBed, err error) {
	b := &pageBed{options: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.dir, err = os.MkdirTemp("", "plausible-webhooks-bench-"); err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	if b.postgres, err = stack.StartPostgres(ctx, stack.PostgresOptions{}); err != nil {
		return nil, err
	}
	database, err := b.postgres.CreateDatabase(ctx, "plausible_db", stack.V32)
	if err != nil {
		return nil, err
	}
	if b.clickhouse, err = stack.StartClickHouse(ctx, stack.ClickHouseOptions{Profile: stack.ProfileCE}); err != nil {
		return nil, err
	}
	events, err := b.clickhouse.CreateDatabase(ctx, "plausible_events_db")
	if err != nil {
		return nil, err
	}
	if err := b.fill(ctx, database); err != nil {
		return nil, err
	}
	if b.web, err = plausible.Start(ctx, plausible.Options{DatabaseURL: database, ClickHouseURL: events}); err != nil {
		return nil, err
	}
	if err := b.signIn(ctx); err != nil {
		return nil, err
	}
	return b, b.startProgram(ctx, database, events)
}

func (b *pageBed) close() error {
	var errs []error
	if b.process != nil {
		errs = append(errs, b.process.Stop())
	}
	if b.web != nil {
		b.web.Stop()
	}
	if b.clickhouse != nil {
		errs = append(errs, b.clickhouse.Stop())
	}
	if b.postgres != nil {
		errs = append(errs, b.postgres.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(b.dir))...)
}

// fill makes the instance. All deliveries are of one site: of its 20 webhooks
// the first has a tenth, which is as many as are kept of one. One in a thousand
// failed, and but for the very oldest all are of one event, so that filters
// have far to look.
func (b *pageBed) fill(ctx context.Context, database string) error {
	fmt.Fprintf(os.Stderr, "page: writing %s deliveries\n", grouped(b.options.deliveries))
	db, err := pgx.Connect(ctx, database)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer func() { _ = db.Close(context.WithoutCancel(ctx)) }()
	if _, err := schema.Migrate(ctx, db); err != nil {
		return err
	}
	owner, err := plausible.AddAccount(ctx, db, plausible.DemoEmail, plausible.DemoPassword)
	if err != nil {
		return err
	}
	site, err := owner.AddSite(ctx, db, stack.Site{Domain: pageSite, Timezone: "Europe/Tallinn"})
	if err != nil {
		return err
	}
	for _, step := range []struct {
		sql  string
		args []any
	}{
		{`insert into public.sites (domain, timezone, inserted_at, updated_at) select 'site' || i || '.example.com', 'Etc/UTC', now(), now() from generate_series(2, $1::int / 20) i`, []any{pageHooks}},
		{`insert into public.goals (site_id, event_name, display_name, inserted_at, updated_at)
			select s.id, 'g' || i, 'Goal ' || i, now(), now() from public.sites s, generate_series(1, 100) i`, nil},
		{`insert into plausible_webhooks.webhooks (site_id, name, url, secret)
			select s.id, 'Webhook ' || i, 'https://hooks.example.com/' || i, 'plain secret text ' || i from public.sites s, generate_series(1, 20) i order by s.id <> $1, s.id, i`, []any{site}},
		{`insert into plausible_webhooks.webhook_triggers (webhook_id, type) select h.id, t from plausible_webhooks.webhooks h, unnest(array['traffic.spike', 'traffic.drop', 'goal.completed']) t`, nil},
		{`insert into plausible_webhooks.webhook_deliveries (webhook_id, site_id, event_type, payload, status, attempts, last_status_code, last_error, next_attempt_at, inserted_at, finished_at)
			select case when i <= $2::int / 10 then 1 else 2 + i % 19 end, $1, case when i = 1 then 'traffic.spike' else 'goal.completed' end, repeat('x', 900),
				case when i % 1000 = 0 then 'failed' else 'delivered' end, 1, 200, case when i % 1000 = 0 then 'answered 503 Service Unavailable' end, null,
				now() - interval '29 days' + i * interval '29 days' / $2::int, now() from generate_series(1, $2::int) i`, []any{site, b.options.deliveries}},
		{`insert into plausible_webhooks.webhook_delivery_attempts (delivery_id, attempt, duration_ms, status_code) select id, 1, 20, 200 from plausible_webhooks.webhook_deliveries`, nil},
		{`analyze`, nil},
	} {
		if _, err := db.Exec(ctx, step.sql, step.args...); err != nil {
			return fmt.Errorf("fill the database: %w", err)
		}
	}
	if err := db.QueryRow(ctx, "select id::text from plausible_webhooks.webhook_deliveries where webhook_id = 1 order by status desc limit 1").Scan(&b.delivery); err != nil {
		return fmt.Errorf("look for a delivery: %w", err)
	}
	return nil
}

// pages are all of them, the log with each filter that has far to look.
func (b *pageBed) pages() []measuredPage {
	return []measuredPage{
		{name: "overview", path: ""}, {name: "add", path: "/new"}, {name: "webhook", path: "/1"}, {name: "edit", path: "/1/edit"},
		{name: "secret", path: "/1/secret"}, {name: "delete", path: "/1/delete"}, {name: "add trigger", path: "/1/triggers/new?type=goal.threshold"}, {name: "trigger", path: "/1/triggers/1"},
		{name: "log", path: "/1/deliveries"}, {name: "log, failed", path: "/1/deliveries?status=failed"}, {name: "log, one event", path: "/1/deliveries?event=goal.completed"},
		{name: "log, a rare event", path: "/1/deliveries?event=traffic.spike"}, {name: "log, an event that never was", path: "/1/deliveries?event=traffic.drop&period=30d"},
		{name: "log, failed today", path: "/1/deliveries?status=failed&period=24h"}, {name: "log, cancelled", path: "/1/deliveries?status=cancelled"}, {name: "log, pending", path: "/1/deliveries?status=pending"},
		{name: "delivery", path: "/1/deliveries/" + b.delivery},
	}
}
