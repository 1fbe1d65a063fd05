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

const (
	// smallLimit is for everything but the measured minutes.
	smallLimit = 45 * time.Minute
	// warmUp is for the first ticks of the program.
	warmUp = 15 * time.Second
	// baseline is how long the engine is measured without the sidecar, once
	// before and once after.
	baseline = time.Minute
)

// small is what was seen of the real program in real time.
type small struct {
	rows, triggers int
	first          *evaluated
	ticks          []evaluated
	during         time.Duration
	sidecar        float64 // Share of one core.
	engineWith     float64
	engineWithout  float64
	memory         memoryUse
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
	s = &small{triggers: smallSites * c.triggers(), during: o.during(), costs: queryCosts{}}
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
	env := append(os.Environ(),
		"DATABASE_URL="+e.database, "CLICKHOUSE_DATABASE_URL="+e.events, "BASE_URL=https://plausible.example.com",
		"WEBHOOKS_PLAUSIBLE_URL=http://127.0.0.1:9", // Nobody there; nothing here needs the page.
		"SECRET_KEY_BASE=bench-only-bench-only-bench-only-bench-only-bench-only-bench-only",
		"WEBHOOKS_CA_FILE="+caFile, "WEBHOOKS_ALLOWED_TARGETS=127.0.0.0/8",
		"WEBHOOKS_LOG_LEVEL=debug", "WEBHOOKS_LOG_FORMAT=json")
	from, err := s.run(ctx, e, feed, binary, env, log)
	if err != nil {
		return nil, err
	}
	s.deliveries = len(hooks.Requests(""))
	return s, s.readTicks(e, log, from)
}

// run measures the engine alone, with the program beside it, and alone again,
// so that what the table grows by meanwhile weighs on both alike. It returns
// when the measured minutes began.
func (s *small) run(ctx context.Context, e *engines, feed *feed, binary string, env []string, log string) (from time.Time, err error) {
	alone := min(baseline, s.during/2)
	engine := func() (time.Duration, error) { return cpuTime(e.clickhouse.PID()) }
	done := phase("%d sites: the engine without the sidecar, %s", smallSites, alone)
	before, err := over(ctx, feed, alone, engine)
	if err != nil {
		return from, err
	}
	done("%s of its processor time", before[0].Round(time.Millisecond))

	output, err := os.Create(log)
	if err != nil {
		return from, fmt.Errorf("open the sidecar's log: %w", err)
	}
	defer func() { _ = output.Close() }()
	process, err := sidecar.Start(binary, env, output)
	if err != nil {
		return from, err
	}
	stopped := false
	defer func() {
		if !stopped {
			err = errors.Join(err, process.Stop())
		}
	}()
	readyCtx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := process.Ready(readyCtx); err != nil {
		return from, err
	}
	done = phase("%d sites: the sidecar in real time, %s after %s for its first ticks", smallSites, s.during, warmUp)
	if _, err := over(ctx, feed, warmUp); err != nil {
		return from, err
	}
	from = time.Now()
	with, err := over(ctx, feed, s.during, engine, func() (time.Duration, error) { return cpuTime(process.PID()) })
	if err != nil {
		return from, err
	}
	if s.memory, err = memoryOf(process.PID()); err != nil {
		return from, err
	}
	stopped = true
	if err := process.Stop(); err != nil {
		return from, err
	}
	done("%s of its processor time", with[1].Round(time.Millisecond))

	done = phase("%d sites: the engine without the sidecar again, %s", smallSites, alone)
	after, err := over(ctx, feed, alone, engine)
	if err != nil {
		return from, err
	}
	done("%s of its processor time", after[0].Round(time.Millisecond))
	s.engineWithout = (before[0] + after[0]).Seconds() / (2 * alone).Seconds()
	s.engineWith, s.sidecar = with[0].Seconds()/s.during.Seconds(), with[1].Seconds()/s.during.Seconds()
	return from, nil
}

// over tells by how much each reading grows in a time.
func over(ctx context.Context, feed *feed, d time.Duration, readings ...func() (time.Duration, error)) ([]time.Duration, error) {
	grown := make([]time.Duration, len(readings))
	for i, reading := range readings {
		begin, err := reading()
		if err != nil {
			return nil, err
		}
		grown[i] = -begin
	}
	select {
	case <-time.After(d):
	case <-feed.ended:
		return nil, fmt.Errorf("events have stopped: %w", feed.err)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	for i, reading := range readings {
		end, err := reading()
		if err != nil {
			return nil, err
		}
		grown[i] += end
	}
	return grown, nil
}

// readTicks reads the program's log from a moment on, and beside each tick
// what the engine read for it.
func (s *small) readTicks(e *engines, path string, from time.Time) error {
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
		if one.At.After(from) && one.At.Before(from.Add(s.during)) {
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
