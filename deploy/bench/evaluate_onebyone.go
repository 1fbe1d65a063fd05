package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/jackc/pgx/v5"

	"plausible-webhooks/deploy/devstack/stack"
)

// sampledSites is how many sites are asked about one by one.
const sampledSites = 300

// lateSeconds is how far back goals are read, as WEBHOOKS_LATE_EVENTS has it.
const lateSeconds = 120

// oneByOne is the cost of the questions of one tick, asked site by site and
// trigger by trigger as Plausible's own notifier does.
type oneByOne struct {
	Asked   int           // Questions of the sample.
	Of      int           // Questions of all sites.
	Waited  time.Duration // For one question on average, by the client's clock.
	Engine  time.Duration // Of that, in the engine.
	AllWait time.Duration // For the questions of all sites, extrapolated.
	All     time.Duration // The same in the engine.
}

// question is one trigger of one site, as a query.
type question struct {
	sql  string
	args []any
}

const visitorsOfSite = "SELECT uniq(user_id) FROM events_v2 WHERE site_id = ? AND timestamp >= toDateTime(?) AND name != 'engagement'"

// questionsOf are those of the five triggers of a site.
func questionsOf(site, now int64, pagePath string) []question {
	since := func(seconds int64) int64 { return now - seconds }
	page := question{"SELECT count() FROM events_v2 WHERE site_id = ? AND timestamp >= toDateTime(?) AND name = 'pageview' AND pathname = ?",
		[]any{site, since(lateSeconds), pagePath}}
	if start, wildcard := strings.CutSuffix(pagePath, "*"); wildcard {
		page = question{"SELECT count() FROM events_v2 WHERE site_id = ? AND timestamp >= toDateTime(?) AND name = 'pageview' AND match(pathname, ?)",
			[]any{site, since(lateSeconds), "^" + regexp.QuoteMeta(start) + ".*$"}}
	}
	const signups = "SELECT count() FROM events_v2 WHERE site_id = ? AND timestamp >= toDateTime(?) AND name = 'Signup'"
	return []question{
		{visitorsOfSite, []any{site, since(300)}},
		{visitorsOfSite, []any{site, since(43200)}},
		{signups, []any{site, since(lateSeconds)}},
		page,
		{signups, []any{site, since(3600)}},
	}
}

// askOneByOne asks about sites drawn at random. The draw is the same each
// time.
func askOneByOne(ctx context.Context, e *engines, t traffic, now int64) (oneByOne, error) {
	draw := rand.New(rand.NewPCG(1, 2)).Perm(t.sites)
	var sites []int64
	for _, site := range draw[:min(sampledSites, len(draw))] {
		sites = append(sites, int64(site)+1)
	}
	paths, err := pagePaths(ctx, e.database, sites)
	if err != nil {
		return oneByOne{}, err
	}
	options, err := clickhouse.ParseDSN(e.events)
	if err != nil {
		return oneByOne{}, fmt.Errorf("read the address of ClickHouse: %w", err)
	}
	options.MaxOpenConns = 1
	conn, err := clickhouse.Open(options)
	if err != nil {
		return oneByOne{}, fmt.Errorf("open ClickHouse for single questions: %w", err)
	}
	defer func() { _ = conn.Close() }() // Only an idle connection is left.
	if err := conn.Ping(ctx); err != nil {
		return oneByOne{}, fmt.Errorf("open ClickHouse for single questions: %w", err)
	}
	before, err := newestQuery(e.clickhouse)
	if err != nil {
		return oneByOne{}, err
	}
	var o oneByOne
	began := time.Now()
	for _, site := range sites {
		for _, q := range questionsOf(site, now, paths[site]) {
			var number uint64
			if err := conn.QueryRow(ctx, q.sql, q.args...).Scan(&number); err != nil {
				return oneByOne{}, fmt.Errorf("ask about one site: %w", err)
			}
			o.Asked++
		}
	}
	waited := time.Since(began)
	queries, err := queriesSince(e.clickhouse, before, o.Asked)
	if err != nil {
		return oneByOne{}, err
	}
	if len(queries) != o.Asked {
		return oneByOne{}, fmt.Errorf("ask about one site: %d questions were asked, the engine logged %d", o.Asked, len(queries))
	}
	var engine time.Duration
	for _, q := range queries {
		engine += q.Elapsed
	}
	o.Waited, o.Engine = waited/time.Duration(o.Asked), engine/time.Duration(o.Asked)
	o.Of = t.sites * o.Asked / len(sites)
	o.AllWait, o.All = o.Waited*time.Duration(o.Of), o.Engine*time.Duration(o.Of)
	return o, nil
}

func pagePaths(ctx context.Context, database string, sites []int64) (map[int64]string, error) {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	rows, err := conn.Query(ctx, "select site_id, page_path from goals where page_path is not null and site_id = any($1)", sites)
	if err != nil {
		return nil, fmt.Errorf("read page goals: %w", err)
	}
	paths := map[int64]string{}
	var site int64
	var path string
	if _, err := pgx.ForEachRow(rows, []any{&site, &path}, func() error {
		paths[site] = path
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read page goals: %w", err)
	}
	return paths, nil
}

// newestQuery is the number of the newest query in the engine's log.
func newestQuery(c *stack.ClickHouse) (uint64, error) {
	newest, err := c.LastQueries(1)
	if err != nil || len(newest) == 0 {
		return 0, err
	}
	return newest[0].Seq, nil
}

// queriesSince are those after a number; expected is how many there should be.
func queriesSince(c *stack.ClickHouse, after uint64, expected int) ([]stack.Query, error) {
	const margin = 50 // For what else a client asks when it connects.
	queries, err := c.LastQueries(expected + margin)
	if err != nil {
		return nil, err
	}
	for i, q := range queries {
		if q.Seq > after {
			return queries[i:], nil
		}
	}
	return nil, nil
}
