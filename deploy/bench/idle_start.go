package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"plausible-webhooks/deploy/devstack/stack"
)

// What is promised of a start: with so many webhooks the sidecar is ready in
// less than this, also the last of several times.
const (
	startWebhooks = 100_000
	startSites    = 20_000
	startTimes    = 5
	startPromised = time.Second
)

// starts are what was seen of starting the program several times.
type starts struct {
	triggers, goals int
	took            []time.Duration // From the process's start until it was ready, in the order measured.
	own, postgres   []time.Duration // Processor time used meanwhile; the rest is waiting for a processor.
	ready           int64           // Bytes resident then, at most.
	evaluating      memoryUse       // Once it had evaluated for a while, of the last start.
}

func (b *idleBed) measureStarts(ctx context.Context) (_ *starts, err error) {
	s := &starts{}
	done := phase("start: write the settings of %s webhooks of %s sites", grouped(b.options.webhooks), grouped(b.options.sites))
	database, err := b.engines.postgres.CreateDatabase(ctx, "plausible_start_db", stack.V32)
	if err != nil {
		return nil, err
	}
	if s.triggers, err = b.configure(ctx, database, b.options.sites, b.options.webhooks/b.options.sites); err != nil {
		return nil, err
	}
	if s.goals, err = restOf(ctx, database); err != nil {
		return nil, err
	}
	done("%s triggers, %s goals", grouped(s.triggers), grouped(s.goals))
	done = phase("start: %d times", b.options.starts)
	for i := range b.options.starts {
		if err := b.start(ctx, s, database, i == b.options.starts-1); err != nil {
			return nil, err
		}
	}
	done("they took %v", s.took)
	return s, nil
}

// start starts the program once, and goes on watching the last one.
func (b *idleBed) start(ctx context.Context, s *starts, database string, last bool) (err error) {
	before, err := familyTime(b.engines.postgres.PID())
	if err != nil {
		return err
	}
	began := time.Now()
	process, err := startReady(ctx, b.binary, b.environment(database), filepath.Join(b.dir, "start.log"))
	if err != nil {
		return err
	}
	s.took = append(s.took, time.Since(began))
	defer func() { err = errors.Join(err, process.Stop()) }()
	own, err := cpuTime(process.PID())
	if err != nil {
		return err
	}
	after, err := familyTime(b.engines.postgres.PID())
	if err != nil {
		return err
	}
	s.own, s.postgres = append(s.own, own), append(s.postgres, after-before)
	use, err := memoryOf(process.PID())
	if err != nil {
		return err
	}
	if s.ready = max(s.ready, use.Peak); !last {
		return nil
	}
	if _, err := over(ctx, b.feed, warmUp); err != nil {
		return err
	}
	s.evaluating, err = memoryOf(process.PID())
	return err
}

// restOf lets PostgreSQL do at once what it has long done where settings have
// grown over years, so that no start meets it by chance, and counts goals.
func restOf(ctx context.Context, database string) (goals int, err error) {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return 0, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "vacuum analyze"); err != nil {
		return 0, fmt.Errorf("tidy up PostgreSQL: %w", err)
	}
	if err := conn.QueryRow(ctx, "select count(*) from goals").Scan(&goals); err != nil {
		return 0, fmt.Errorf("count goals: %w", err)
	}
	return goals, nil
}

func (s *starts) promises() []promise {
	at := func(times []time.Duration, q float64) time.Duration {
		return quantile(slices.Sorted(slices.Values(times)), q)
	}
	worst := at(s.took, 1)
	return []promise{
		{what: "until it is ready, p50", value: spell(at(s.took, 0.5))},
		{what: "until it is ready, worst", value: spell(worst), wanted: "< " + spell(startPromised), broken: worst >= startPromised},
		{what: "processor time by then, of the sidecar / of PostgreSQL, p50", value: spell(at(s.own, 0.5)) + " / " + spell(at(s.postgres, 0.5))},
		{what: "resident memory then, at most", value: mebibytes(s.ready)},
		{what: "after " + spell(warmUp) + " of evaluating, at the end / at most", value: mebibytes(s.evaluating.Now) + " / " + mebibytes(s.evaluating.Peak)},
	}
}
