package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"plausible-webhooks/config/env"
	"plausible-webhooks/evaluator/stats"
)

// clickHousePatience bounds each question of the check.
const clickHousePatience = 10 * time.Second

// oldestClickHouse is what Plausible v2.1 came with, the oldest release that
// is supported.
const oldestClickHouse = "24.3"

func checkClickHouse(ctx context.Context, where env.ClickHouse, times *clocks) []finding {
	client, err := openStats(where)
	if err != nil {
		return []finding{failure("ClickHouse", err.Error(), "correct CLICKHOUSE_DATABASE_URL")}
	}
	defer func() { _ = client.Close() }()
	server, found := checkClickHouseReachable(ctx, client, where, times)
	if server.Version == "" {
		return []finding{found}
	}
	events := checkEvents(ctx, client, where)
	all := []finding{found, checkReadonly(server), events}
	if events.Level == levelOK {
		all = append(all, checkFreshness(ctx, client, server.Now))
	}
	return all
}

func checkClickHouseReachable(ctx context.Context, client *stats.Client, where env.ClickHouse, times *clocks) (stats.Server, finding) {
	const name = "ClickHouse"
	ctx, cancel := context.WithTimeout(ctx, clickHousePatience)
	defer cancel()
	if _, err := client.Server(ctx); err != nil { // The first question connects, and would spoil the clock's.
		return stats.Server{}, failure(name, fmt.Sprintf("%s does not answer: %v", where, rootOf(err)),
			"set CLICKHOUSE_DATABASE_URL to what Plausible's own container has, and see that ClickHouse runs and is on the same network")
	}
	before := time.Now()
	server, err := client.Server(ctx)
	if err != nil {
		return stats.Server{}, failure(name, fmt.Sprintf("%s stopped answering: %v", where, rootOf(err)), "see the log of ClickHouse")
	}
	times.note(name, before, server.Now, time.Now())
	if olderThan(server.Version, oldestClickHouse) {
		return server, warning(name, fmt.Sprintf("%s answers, version %s, which is older than %s and not tried", where, server.Version, oldestClickHouse),
			"use the image of Plausible's compose file: clickhouse/clickhouse-server:24.12-alpine")
	}
	return server, ok(name, "%s answers, version %s", where, server.Version)
}

// olderThan compares the first two numbers of a version. One that is no
// version is not older.
func olderThan(version, oldest string) bool {
	have, want := strings.SplitN(version, ".", 3), strings.SplitN(oldest, ".", 3)
	for i := range 2 {
		if i >= len(have) {
			return false
		}
		h, err := strconv.Atoi(have[i])
		w, _ := strconv.Atoi(want[i]) // A constant.
		if err != nil || h != w {
			return err == nil && h < w
		}
	}
	return false
}

// checkReadonly tells what the user may set. Everything works with each level.
func checkReadonly(server stats.Server) finding {
	const name = "ClickHouse user"
	switch server.Readonly {
	case 0:
		return ok(name, "readonly = 0: it may write, which the sidecar never does")
	case 1:
		return ok(name, "readonly = 1: it may read only; bounds of queries are those of its profile")
	default:
		return ok(name, "readonly = %d: it may read only", server.Readonly)
	}
}

func checkEvents(ctx context.Context, client *stats.Client, where env.ClickHouse) finding {
	const name = "events"
	ctx, cancel := context.WithTimeout(ctx, clickHousePatience)
	defer cancel()
	access, err := client.Access(ctx)
	switch {
	case err != nil:
		return failure(name, fmt.Sprintf("events_v2 cannot be read: %v", rootOf(err)), "see the log of ClickHouse")
	case access.Missing:
		return failure(name, "there is no table events_v2 in "+where.Database, "see that CLICKHOUSE_DATABASE_URL names Plausible's database, and start Plausible once")
	case access.Denied:
		user := where.User
		if user == "" {
			user = "default"
		}
		return failure(name, "the user of CLICKHOUSE_DATABASE_URL may not read events_v2", fmt.Sprintf("in clickhouse-client: GRANT SELECT ON `%s`.events_v2 TO `%s`;", where.Database, user))
	case len(access.Lacking) > 0:
		return failure(name, "events_v2 lacks "+strings.Join(access.Lacking, ", "), "let Plausible finish its migrations (v2.1 or newer)")
	}
	return ok(name, "events_v2 can be read, with each column that is needed")
}

const (
	// usualPause is never out of the ordinary: Plausible writes every few
	// seconds, but small sites rest.
	usualPause = 15 * time.Minute
	// longPause is how many times the longest pause of the week is one.
	longPause = 2
	// fewBuckets is too little to know what is usual.
	fewBuckets = 24
	// futureEvent is how far ahead an event may be: Plausible's own clock
	// stamps them.
	futureEvent = time.Minute
)

// checkFreshness compares the age of the newest event with the longest pause
// of the week. Who has no visitors has none: that is never a failure.
func checkFreshness(ctx context.Context, client *stats.Client, now time.Time) finding {
	const name = "newest event"
	ctx, cancel := context.WithTimeout(ctx, clickHousePatience)
	defer cancel()
	f, err := client.Freshness(ctx, now)
	age := now.Sub(f.Newest)
	switch {
	case err != nil:
		return warning(name, fmt.Sprintf("its age cannot be told: %v", rootOf(err)), "see how busy ClickHouse is: a week of events is read in seconds")
	case f.Newest.IsZero():
		return ok(name, "none in the last 7 days")
	case age < -futureEvent:
		return warning(name, fmt.Sprintf("%s: Plausible's clock is ahead of ClickHouse's", ago(age)), "set both by NTP: timedatectl set-ntp true")
	case f.Busy >= fewBuckets && age > usualPause && age > longPause*f.Pause:
		return warning(name, ago(age)+", while the longest pause between events of the last 7 days is "+span(f.Pause),
			"see that Plausible still takes events: docker compose logs plausible")
	}
	return ok(name, "%s", ago(max(age, 0)))
}

// rootOf takes off what the check says itself, and the URL that the driver
// requested, which holds the user.
func rootOf(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return withoutURL(inner)
	}
	return err
}
