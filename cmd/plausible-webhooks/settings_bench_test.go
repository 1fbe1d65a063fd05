package main

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"plausible-webhooks/config/env"
	"plausible-webhooks/config/schema"
	"plausible-webhooks/config/settings"
	"plausible-webhooks/deploy/devstack/stack"

	"github.com/jackc/pgx/v5/pgxpool"
)

// BenchmarkSettingsPages asks for each page with 1,000 webhooks on the instance
// and 1,000,000 deliveries in the log, all of them of one site: 20 webhooks, of
// which the first has as many as are kept of one. The promise is 50 ms.
//
//	go test ./cmd/plausible-webhooks -run '^$' -bench SettingsPages -benchtime 20x
func BenchmarkSettingsPages(b *testing.B) {
	address := stack.TestDatabase(b, stack.V32)
	pool, err := pgxpool.New(b.Context(), address)
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	if err := pool.AcquireFunc(b.Context(), func(c *pgxpool.Conn) error {
		_, err := schema.Migrate(b.Context(), c.Conn())
		return err
	}); err != nil {
		b.Fatal(err)
	}
	for _, sql := range []string{
		`insert into public.sites (id, domain, timezone, inserted_at, updated_at) select i, 'site' || i || '.example.com', 'Etc/UTC', now(), now() from generate_series(1, 50) i`,
		`insert into public.goals (id, site_id, event_name, display_name, inserted_at, updated_at) select i, 1 + i % 50, 'g' || i, 'Goal ' || i, now(), now() from generate_series(1, 5000) i`,
		`insert into plausible_webhooks.webhooks (id, site_id, name, url, secret) select i, 1 + (i - 1) / 20, 'Webhook ' || i, 'https://hooks.example.com/' || i, 'plain secret text ' || i from generate_series(1, 1000) i`,
		`insert into plausible_webhooks.webhook_triggers (webhook_id, type) select i, t from generate_series(1, 1000) i, unnest(array['traffic.spike', 'traffic.drop', 'goal.completed']) t`,
		// As the sender leaves it: one in a thousand failed, and no other event for a long time.
		`insert into plausible_webhooks.webhook_deliveries (webhook_id, site_id, event_type, payload, status, attempts, last_status_code, last_error, next_attempt_at, inserted_at, finished_at)
			select case when i <= 100000 then 1 else 2 + i % 19 end, 1, case when i = 1 then 'traffic.spike' else 'goal.completed' end, repeat('x', 900),
				case when i % 1000 = 0 then 'failed' else 'delivered' end, 1, 200, case when i % 1000 = 0 then 'answered 503 Service Unavailable' end, null,
				now() - interval '30 days' + i * interval '2.5 seconds', now() from generate_series(1, 1000000) i`,
		`insert into plausible_webhooks.webhook_delivery_attempts (delivery_id, attempt, duration_ms, status_code) select id, 1, 20, 200 from plausible_webhooks.webhook_deliveries`,
		`analyze`,
	} {
		if _, err := pool.Exec(b.Context(), sql); err != nil {
			b.Fatal(err)
		}
	}
	of, _, err := env.Load(env.Source{Environ: []string{"BASE_URL=https://plausible.example.com", "CONFIG_DIR=/nonexistent"}})
	if err != nil {
		b.Fatal(err)
	}
	var delivery string
	if err := pool.QueryRow(b.Context(), "select id::text from plausible_webhooks.webhook_deliveries where webhook_id = 1 limit 1").Scan(&delivery); err != nil {
		b.Fatal(err)
	}
	pages := settingsPages(of, pool, nil, func() {}, nil)
	for _, page := range []struct{ name, path, query string }{
		{"overview", "", ""}, {"new", "new", ""}, {"webhook", "1", ""}, {"edit", "1/edit", ""}, {"trigger", "1/triggers/1", ""},
		{"log", "1/deliveries", ""}, {"log-failed", "1/deliveries", "status=failed"}, {"log-goals", "1/deliveries", "event=goal.completed"},
		{"log-rare", "1/deliveries", "event=traffic.spike"}, {"log-none-failed-today", "1/deliveries", "status=failed&period=24h"},
		{"log-cancelled", "1/deliveries", "status=cancelled"}, {"log-pending", "1/deliveries", "status=pending"}, {"delivery", "1/deliveries/" + delivery, ""},
	} {
		b.Run(page.name, func(b *testing.B) {
			v := settings.Visit{Site: settings.Site{ID: 1, Domain: "site1.example.com", Timezone: "Europe/Tallinn"}, Base: "/site1.example.com/settings/webhooks"}
			if page.path != "" {
				v.Rest = strings.Split(page.path, "/")
			}
			v.Query, _ = url.ParseQuery(page.query)
			for b.Loop() {
				p, err := pages.Serve(b.Context(), v, "GET")
				if err != nil || p.Status != 0 {
					b.Fatal(fmt.Errorf("status %d: %w", p.Status, err))
				}
			}
		})
	}
}
