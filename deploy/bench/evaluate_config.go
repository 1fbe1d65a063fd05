package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"plausible-webhooks/config/schema"
)

// spikeSigmas is how far above the mean a threshold lies, in deviations of a
// Poisson distribution: with it, about one site in a hundred spikes in an hour.
const spikeSigmas = 3.5

// configuration is what the people of all sites have set.
type configuration struct {
	traffic
	perSite int    // Webhooks of each site; zero: one.
	five    bool   // Five triggers a webhook, or the three that most have.
	url     string // Of the receiver; the number of the webhook follows.
	settled time.Time

	// counted is until when completed goals were counted by the sidecar that
	// ran before.
	counted time.Time
}

// triggers is how many each webhook has.
func (c configuration) triggers() int {
	if c.five {
		return 5
	}
	return 3
}

// write makes sites, goals, webhooks and triggers, long before settled.
func (c configuration) write(ctx context.Context, database string) error {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := schema.Migrate(ctx, conn); err != nil {
		return err
	}
	// Without triggers: that of sites looks at all others, for each row.
	if _, err := conn.Exec(ctx, "set session_replication_role = replica"); err != nil {
		return fmt.Errorf("switch triggers off: %w", err)
	}
	values := pgx.NamedArgs{
		"sites": c.sites, "each": max(c.perSite, 1), "stride": int64(siteStride), "url": c.url,
		"founded": c.settled.AddDate(0, 0, -60), "set": c.settled.AddDate(0, 0, -30),
		"sigmas":    spikeSigmas,
		"visitors":  c.visitors(1, 300),
		"signups":   c.signups(1, 3600),
		"counted":   c.counted,
		"unlimited": c.settled.AddDate(100, 0, 0),
	}
	for _, s := range c.statements() {
		if _, err := conn.Exec(ctx, s.sql, values); err != nil {
			return fmt.Errorf("make %s: %w", s.what, err)
		}
	}
	return nil
}

type statement struct{ what, sql string }

// threshold is a number that a site reaches by chance now and then only, of
// the mean of all traffic.
func threshold(mean string) string {
	mean = "(" + mean + "::float8 * share)"
	return "greatest(3, ceil(" + mean + " + @sigmas::float8 * sqrt(" + mean + ") + 2))::integer"
}

func (c configuration) statements() []statement {
	list := []statement{
		{"the team", `insert into teams (id, name, accept_traffic_until, inserted_at, updated_at)
			values (1, 'My Personal Sites', @unlimited::timestamptz::date, @founded::timestamptz, @founded::timestamptz)`},
		{"shares of sites", `create temporary table shares as
			select 1 + (place - 1)::bigint * @stride::bigint % @sites::bigint as site,
				ln(1 + 1.0 / place)::float8 / ln(1 + @sites::float8) as share
			from generate_series(1, @sites::bigint) place`},
		{"sites", `insert into sites (id, domain, timezone, team_id, inserted_at, updated_at, native_stats_start_at)
			select site, 'site-' || site || '.example', 'Etc/UTC', 1, @founded::timestamptz, @founded::timestamptz, @founded::timestamptz
			from shares order by site`},
		{"event goals", `insert into goals (id, site_id, event_name, display_name, inserted_at, updated_at)
			select 2 * site - 1, site, 'Signup', 'Signup', @set::timestamptz, @set::timestamptz from shares order by site`},
		{"page goals", `insert into goals (id, site_id, page_path, display_name, inserted_at, updated_at)
			select 2 * site, site, path, 'Visit ' || path, @set::timestamptz, @set::timestamptz from (select site,
				` + conversionPage("site", "array", "site") + ` || case when site % 2 = 1 then '/*' else '' end as path from shares) s order by site`},
		{"webhooks", `insert into plausible_webhooks.webhooks (id, site_id, site_team_id, name, url, inserted_at, updated_at)
			select ` + webhookID + `, site, 1, 'Team chat', @url::text || ` + webhookID + `, @set::timestamptz, @set::timestamptz ` + fromWebhooks},
		{"progress", "insert into plausible_webhooks.evaluation_progress (counted_through) values (@counted::timestamptz)"},
		{"spike triggers", trigger("traffic.spike", "null", threshold("@visitors"), "null")},
		{"drop triggers", trigger("traffic.drop", "null", "1", "null")},
	}
	if !c.five {
		return append(list, statement{"goal triggers", trigger("goal.completed", "null", "null", "null")})
	}
	return append(list,
		statement{"event goal triggers", trigger("goal.completed", "2 * site - 1", "null", "null")},
		statement{"page goal triggers", trigger("goal.completed", "2 * site", "null", "null")},
		statement{"goal threshold triggers", trigger("goal.threshold", "2 * site - 1", threshold("@signups"), "null")})
}

// webhookID is the id of a site's nth webhook, in fromWebhooks. It is the site's
// where each has one.
const (
	webhookID    = "((site - 1) * @each::bigint + nth)"
	fromWebhooks = "from shares, generate_series(1, @each::bigint) nth order by site, nth"
)

// trigger adds one trigger to each webhook.
func trigger(kind, goal, threshold, window string) string {
	return `insert into plausible_webhooks.webhook_triggers (webhook_id, type, goal_id, threshold, window_seconds, inserted_at, updated_at)
		select ` + webhookID + `, '` + kind + `', ` + goal + `, ` + threshold + `, ` + window + `, @set::timestamptz, @set::timestamptz ` + fromWebhooks
}
