package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"plausible-webhooks/deploy/devstack/sidecar"
)

const (
	// warmUp is for the first ticks of the program.
	warmUp = 15 * time.Second
	// baseline is how long the engines are measured without the sidecar, once
	// before and once after.
	baseline = time.Minute
)

// beside is what a sidecar uses while it runs, and the engines with it and
// without it.
type beside struct {
	during     time.Duration
	from       time.Time // When the measured time began.
	sidecar    float64   // Share of one core.
	memory     memoryUse
	clickhouse engineUse
	postgres   engineUse
}

// engineUse are shares of one core.
type engineUse struct{ with, without float64 }

// cost is what the sidecar adds. It is negative where that is less than what
// else the engine does by itself now and then.
func (u engineUse) cost() float64 { return u.with - u.without }

// measureBeside measures the engines alone, with the program beside them, and
// alone again, so that what a table grows by meanwhile weighs on both alike.
func measureBeside(ctx context.Context, name string, e *engines, feed *feed, during time.Duration, start func() (*sidecar.Process, error)) (_ *beside, err error) {
	alone := min(baseline, during/2)
	clickhouse := func() (time.Duration, error) { return cpuTime(e.clickhouse.PID()) }
	postgres := func() (time.Duration, error) { return familyTime(e.postgres.PID()) }
	without := func(again string) ([]time.Duration, error) {
		done := phase("%s: the engines without the sidecar%s, %s", name, again, alone)
		used, err := over(ctx, feed, alone, clickhouse, postgres)
		if err == nil {
			done("%s of ClickHouse's processor time, %s of PostgreSQL's", used[0].Round(time.Millisecond), used[1].Round(time.Millisecond))
		}
		return used, err
	}
	before, err := without("")
	if err != nil {
		return nil, err
	}
	b := &beside{during: during}
	with, err := b.measure(ctx, name, feed, start, clickhouse, postgres)
	if err != nil {
		return nil, err
	}
	after, err := without(" again")
	if err != nil {
		return nil, err
	}
	of := func(i int) engineUse {
		return engineUse{with: with[i].Seconds() / during.Seconds(), without: (before[i] + after[i]).Seconds() / (2 * alone).Seconds()}
	}
	b.clickhouse, b.postgres = of(0), of(1)
	return b, nil
}

// measure has the program running, and returns how much the engines' readings
// have grown by meanwhile.
func (b *beside) measure(ctx context.Context, name string, feed *feed, start func() (*sidecar.Process, error), engines ...func() (time.Duration, error)) (used []time.Duration, err error) {
	process, err := start()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, process.Stop()) }()
	done := phase("%s: the sidecar in real time, %s after %s for its first ticks", name, b.during, warmUp)
	if _, err := over(ctx, feed, warmUp); err != nil {
		return nil, err
	}
	b.from = time.Now()
	used, err = over(ctx, feed, b.during, append(engines, func() (time.Duration, error) { return cpuTime(process.PID()) })...)
	if err != nil {
		return nil, err
	}
	own := used[len(engines)]
	b.sidecar = own.Seconds() / b.during.Seconds()
	if b.memory, err = memoryOf(process.PID()); err != nil {
		return nil, err
	}
	done("%s of its processor time", own.Round(time.Millisecond))
	return used[:len(engines)], nil
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
