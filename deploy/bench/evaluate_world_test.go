package main

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"plausible-webhooks/deploy/devstack/stack"
)

func TestMain(m *testing.M) { os.Exit(stack.Main(m)) }

// The thresholds of a measurement come from the description of its traffic,
// and its page goals from SQL of another dialect than its rows: here both meet.
func TestTrafficFitsTheConfiguration(t *testing.T) {
	const sites = 50
	c := configuration{traffic: newTraffic(sites, 50_000, 500_000, liveHour.Add(-flatHours*time.Hour)), five: true, url: "https://receiver.example/", settled: liveHour, counted: liveHour}
	database := stack.TestDatabase(t, stack.V32)
	if err := c.write(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	table, err := openTable(stack.TestEvents(t), c.traffic)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(table.close)
	const slices = 3600 / pollSeconds
	if err := table.insert(t.Context(), 1, []string{table.historyInsert(0, 0, 1), table.sliceInsert(0, slices)}); err != nil {
		t.Fatal(err)
	}
	ask := func(sql string, args ...any) (number uint64) {
		t.Helper()
		if err := table.conn.QueryRow(t.Context(), sql, args...).Scan(&number); err != nil {
			t.Fatal(err)
		}
		return number
	}

	first, last := ask("SELECT toUInt64(toUnixTimestamp(min(timestamp))) FROM events_v2 WHERE timestamp > toDateTime(?)", table.start),
		ask("SELECT toUInt64(toUnixTimestamp(max(timestamp))) FROM events_v2")
	if int64(first) != table.start+1 || int64(last) != table.sliceEnd(slices-1) {
		t.Errorf("slices reach from %d to %d, want from %d to %d", first, last, table.start+1, table.sliceEnd(slices-1))
	}
	if got, want := ask("SELECT count() FROM events_v2 WHERE timestamp > toDateTime(?)", table.start), table.perSlice*slices; int(got) != want {
		t.Errorf("an hour has %d rows, want %d", got, want)
	}
	if got, want := ask("SELECT count() FROM events_v2 WHERE toDate(timestamp) = toDate(toDateTime(?))", table.start-historyDays*86400), table.historyDay; int(got) != want {
		t.Errorf("a day of history has %d rows, want %d", got, want)
	}

	about := func(what string, got uint64, want, within float64) {
		t.Helper()
		if math.Abs(float64(got)-want) > within*want {
			t.Errorf("%s: got %d, want %.0f", what, got, want)
		}
	}
	of := share(1, sites)
	about("visitors of the largest site", ask(visitorsOfSite, siteAt(1, sites), last-1800), table.visitors(of, 1800), 0.1)
	about("signups of all sites", ask("SELECT count() FROM events_v2 WHERE name = 'Signup' AND timestamp > toDateTime(?)", table.start), table.signups(1, slices*pollSeconds), 0.2)

	goals := pageGoals(t, database)
	if len(goals) != sites {
		t.Fatalf("%d sites have a page goal, want %d", len(goals), sites)
	}
	var wildcards, exact uint64
	for site, path := range goals {
		if start, wildcard := strings.CutSuffix(path, "*"); wildcard {
			wildcards += ask("SELECT count() FROM events_v2 WHERE site_id = ? AND name = 'pageview' AND startsWith(pathname, ?)", site, start)
		} else {
			exact += ask("SELECT count() FROM events_v2 WHERE site_id = ? AND name = 'pageview' AND pathname = ?", site, path)
		}
	}
	if pageviews := ask("SELECT count() FROM events_v2 WHERE name = 'pageview'"); min(wildcards, exact) == 0 || math.Abs(float64(wildcards+exact)/float64(pageviews)-0.01) > 0.003 {
		t.Errorf("%d page views complete a wildcard goal and %d another, want some of each and a hundredth of %d", wildcards, exact, pageviews)
	}
}

func pageGoals(t *testing.T, database string) map[int64]string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var triggers int
	if err := conn.QueryRow(t.Context(), "select count(*) from plausible_webhooks.webhook_triggers").Scan(&triggers); err != nil || triggers != 5*50 {
		t.Errorf("got %d triggers, %v, want five a site", triggers, err)
	}
	var all []int64
	for site := range int64(50) {
		all = append(all, site+1)
	}
	goals, err := pagePaths(t.Context(), database, all)
	if err != nil {
		t.Fatal(err)
	}
	return goals
}
