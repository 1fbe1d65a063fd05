package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// An installation that has grown.
const (
	grownHistory = 40_000_000 // Rows of the four weeks of history.
	grownPerDay  = 50_000_000 // Rows a day from then on.
)

// grownLimit bounds one size.
const grownLimit = 2 * time.Hour

// liveHour is when the simulated hour begins: any fixed time, so that each
// run has the same rows. Both history and the hour's month have partitions.
var liveHour = time.Date(2026, 3, 20, 13, 0, 0, 0, time.UTC)

// The first ticks go on until one was whole, and then for a few more; the first look at a day of history may need several attempts.
const (
	firstTicksMost  = 30
	firstTicksAfter = 5
)

// measured is one tick with what the engine tells of it.
type measured struct {
	ticked
	ReadRows uint64
	Logged   int // Queries in the engine's log.
}

// trouble is why a tick did not do all it should; empty where it did.
func (m measured) trouble() string {
	if len(m.Unanswered) > 0 {
		return m.Unanswered[0]
	}
	return m.Failed
}

// grown is what was seen at one size.
type grown struct {
	sites, triggers         int
	rows                    int
	partsBefore, partsAfter int
	first                   []measured // Reading states, first look at history.
	firstMemory             memoryUse
	hour                    []measured
	hourMemory              memoryUse
	hourCosts, firstCosts   queryCosts
	spiked                  int // Sites, within the hour.
	oneByOne                oneByOne
}

// measureGrown fills an engine for a number of sites, lives through an hour
// of ticks, and asks the same site by site.
func measureGrown(ctx context.Context, sites int, o evaluateOptions) (g *grown, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, grownLimit, fmt.Errorf("%s sites took more than %s", grouped(sites), grownLimit))
	defer cancel()
	done := phase("%s sites: start PostgreSQL and ClickHouse", grouped(sites))
	e, err := startEngines(ctx, "")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	done("started")

	c := configuration{
		traffic: newTraffic(sites, grownHistory*o.scale, grownPerDay*o.scale, liveHour.Add(-flatHours*time.Hour)),
		five:    true, url: "https://receiver.example/", settled: liveHour, counted: liveHour.Add(-o.away),
	}
	g = &grown{sites: sites, triggers: sites * c.triggers(), hourCosts: queryCosts{}, firstCosts: queryCosts{}}
	done = phase("%s sites: write their settings, %s triggers", grouped(sites), grouped(g.triggers))
	if err := c.write(ctx, e.database); err != nil {
		return nil, err
	}
	done("written")
	t, err := openTable(e.events, c.traffic)
	if err != nil {
		return nil, err
	}
	defer t.close()
	if g.rows, err = fillTable(ctx, t); err != nil {
		return nil, err
	}

	done = phase("%s sites: start the process that evaluates", grouped(sites))
	child, err := startTicker(ctx, e.database, e.events)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, child.stop()) }()
	ready, err := memoryOf(child.pid())
	if err != nil {
		return nil, err
	}
	done("it follows the settings with %s resident", mebibytes(ready.Now))
	live := &liveTable{engines: e, table: t, child: child, slice: flatSlices}
	if err := g.live(ctx, live, o.ticks); err != nil {
		return nil, err
	}
	done = phase("%s sites: ask the same site by site", grouped(sites))
	if g.oneByOne, err = askOneByOne(ctx, e, c.traffic, t.sliceEnd(live.slice-1)); err != nil {
		return nil, err
	}
	done("%s questions", grouped(g.oneByOne.Asked))
	return g, nil
}

func fillTable(ctx context.Context, t *table) (rows int, err error) {
	done := phase("%s sites: fill ClickHouse, %d days of history and %d hours", grouped(t.sites), historyDays, flatHours)
	began := time.Now()
	if rows, err = t.fill(ctx); err != nil {
		return 0, err
	}
	done("%s rows, %s rows/s", grouped(rows), grouped(int(float64(rows)/time.Since(began).Seconds())))
	done = phase("%s sites: let ClickHouse merge", grouped(t.sites))
	if err := t.settle(ctx); err != nil {
		return 0, err
	}
	done("settled")
	return rows, nil
}

// live has the first ticks and then those of the hour.
func (g *grown) live(ctx context.Context, l *liveTable, ticks int) (err error) {
	done := phase("%s sites: first ticks", grouped(g.sites))
	for answered := 0; answered <= firstTicksAfter; {
		one, err := l.tick(ctx, g.firstCosts)
		if err != nil {
			return err
		}
		g.first = append(g.first, one)
		if answered > 0 || one.trouble() == "" {
			answered++
		} else if len(g.first) == firstTicksMost {
			return fmt.Errorf("%s sites: none of the first %d ticks was whole: %s", grouped(g.sites), firstTicksMost, one.trouble())
		}
	}
	g.firstMemory = g.first[len(g.first)-1].Memory
	done("%d, the first took %s", len(g.first), spell(g.first[0].Took))

	if g.partsBefore, err = l.parts(ctx); err != nil {
		return err
	}
	if err := forgetPeak(l.child.pid()); err != nil {
		return err
	}
	from, err := l.deliveriesUntil(ctx)
	if err != nil {
		return err
	}
	done = phase("%s sites: %d ticks", grouped(g.sites), ticks)
	for range ticks {
		one, err := l.tick(ctx, g.hourCosts)
		if err != nil {
			return err
		}
		g.hour = append(g.hour, one)
	}
	done("p95 %s", spell(quantile(tooks(g.hour), 0.95)))
	if g.hourMemory, err = memoryOf(l.child.pid()); err != nil {
		return err
	}
	if g.partsAfter, err = l.parts(ctx); err != nil {
		return err
	}
	g.spiked, err = l.spikedSince(ctx, from)
	return err
}

// liveTable is a table whose time goes on by a slice with each tick.
type liveTable struct {
	*engines
	*table
	child *ticker
	slice int // The next.
}

// tick writes the rows of the seconds since the last tick, and evaluates.
func (l *liveTable) tick(ctx context.Context, costs queryCosts) (measured, error) {
	if err := l.addSlice(ctx, l.slice); err != nil {
		return measured{}, err
	}
	now := l.sliceEnd(l.slice)
	l.slice++
	before, err := newestQuery(l.clickhouse)
	if err != nil {
		return measured{}, err
	}
	one, err := l.child.tick(ctx, now)
	if err != nil {
		return measured{}, err
	}
	queries, err := queriesSince(l.clickhouse, before, one.Queries)
	if err != nil {
		return measured{}, err
	}
	m := measured{ticked: one}
	for _, q := range queries {
		if q.SQL == "SELECT 1" {
			continue // The client tries its settings when it connects.
		}
		m.Logged++
		m.ReadRows += q.ReadRows
		costs.add(q, now)
	}
	return m, nil
}

// deliveriesUntil is PostgreSQL's time, which deliveries bear.
func (l *liveTable) deliveriesUntil(ctx context.Context) (now time.Time, err error) {
	err = l.ask(ctx, &now, "select now()")
	return now, err
}

// spikedSince counts the sites whose spikes were told since a time.
func (l *liveTable) spikedSince(ctx context.Context, since time.Time) (sites int, err error) {
	err = l.ask(ctx, &sites, "select count(distinct site_id) from plausible_webhooks.webhook_deliveries where event_type = 'traffic.spike' and inserted_at > $1", since)
	return sites, err
}

func (l *liveTable) ask(ctx context.Context, into any, sql string, args ...any) error {
	conn, err := pgx.Connect(ctx, l.database)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if err := conn.QueryRow(ctx, sql, args...).Scan(into); err != nil {
		return fmt.Errorf("look at deliveries: %w", err)
	}
	return nil
}

// complete are the ticks of the hour that evaluate every class, also that of
// twelve hours, which comes round every few minutes.
func (g *grown) complete() []measured {
	most := 0
	for _, m := range slices.Concat(g.first, g.hour) {
		most = max(most, m.Classes)
	}
	var list []measured
	for _, m := range g.hour {
		if m.Classes == most {
			list = append(list, m)
		}
	}
	return list
}
