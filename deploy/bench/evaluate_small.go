package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/deploy/devstack/sidecar"
	"plausible-webhooks/deploy/devstack/stack"
)

// An installation as its users run it.
const (
	smallSites  = 20
	smallPerDay = 2_000_000
)

// smallLimit is for everything but the measured minutes.
const smallLimit = 45 * time.Minute

// small is what was seen of the real program in real time.
type small struct {
	*beside
	rows, triggers int
	first          *evaluated
	ticks          []evaluated
	costs          queryCosts
	deliveries     int
}

// evaluated is the line that the program logs of a tick.
type evaluated struct {
	At      time.Time     `json:"@timestamp"`
	Message string        `json:"@message"`
	Classes int           `json:"classes"`
	Queries int           `json:"queries"`
	Took    time.Duration `json:"took"`

	ReadRows uint64 `json:"-"` // From the engine's log.
}

func measureSmall(ctx context.Context, o evaluateOptions) (s *small, err error) {
	limit := o.during() + smallLimit
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the small installation took more than %s", limit))
	defer cancel()
	dir, err := os.MkdirTemp("", "plausible-webhooks-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	binary, err := sidecar.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	done := phase("%d sites: start PostgreSQL and ClickHouse", smallSites)
	e, err := startEngines(ctx, stack.ProfileCE)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	done("started")
	hooks, err := receiver.Start(receiver.Options{})
	if err != nil {
		return nil, err
	}
	defer hooks.Stop()
	caFile, err := hooks.CAFile(dir)
	if err != nil {
		return nil, err
	}

	now := time.Now().Truncate(time.Second)
	c := configuration{
		traffic: newTraffic(smallSites, smallPerDay*historyDays*o.scale, smallPerDay*o.scale, now.Add(-flatHours*time.Hour)),
		url:     hooks.URL("/hook/"), settled: now, counted: now.Add(-o.away),
	}
	s = &small{triggers: smallSites * c.triggers(), costs: queryCosts{}}
	if err := c.write(ctx, e.database); err != nil {
		return nil, err
	}
	t, err := openTable(e.events, c.traffic)
	if err != nil {
		return nil, err
	}
	defer t.close()
	if s.rows, err = fillTable(ctx, t); err != nil {
		return nil, err
	}
	feed, err := startFeed(ctx, t)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, feed.stop()) }()
	log := filepath.Join(dir, "sidecar.log")
	env := environment(e.database, e.events, append(onLoopback(caFile), "WEBHOOKS_LOG_LEVEL=debug", "WEBHOOKS_LOG_FORMAT=json")...)
	if s.beside, err = measureBeside(ctx, fmt.Sprintf("%d sites", smallSites), e, feed, o.during(), func() (*sidecar.Process, error) {
		return startReady(ctx, binary, env, log)
	}); err != nil {
		return nil, err
	}
	s.deliveries = len(hooks.Requests(""))
	return s, s.readTicks(e, log)
}

// readTicks reads the program's log of the measured time, and beside each tick
// what the engine read for it.
func (s *small) readTicks(e *engines, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read the sidecar's log: %w", err)
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var one evaluated
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return fmt.Errorf("read the sidecar's log, %q: %w", lines.Text(), err)
		}
		if one.Message != "evaluated" || one.Queries == 0 {
			continue // Before the settings were read there is nothing to evaluate.
		}
		if s.first == nil {
			s.first = &one
		}
		if one.At.After(s.from) && one.At.Before(s.from.Add(s.during)) {
			s.ticks = append(s.ticks, one)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the sidecar's log: %w", err)
	}
	if len(s.ticks) == 0 {
		return errors.New("the sidecar's log tells of no tick")
	}
	queries, err := e.clickhouse.Queries()
	if err != nil {
		return err
	}
	addReads(s.ticks, queries, s.costs)
	return nil
}

// addReads gives each tick the queries that ran while it did. Those of the
// feed are inserts.
func addReads(ticks []evaluated, queries []stack.Query, costs queryCosts) {
	for i := range ticks {
		one := &ticks[i]
		for _, q := range queries {
			began := one.At.Add(-one.Took)
			if q.Started.Before(began) || q.Started.After(one.At) || insertion.MatchString(q.SQL) {
				continue
			}
			one.ReadRows += q.ReadRows
			costs.add(q, began.Unix())
		}
	}
}
