package evaluator

import (
	"context"
	"errors"
	"time"
)

// changeGap is the shortest time between two ticks: Plausible and people may
// change the configuration many times a second.
const changeGap = 200 * time.Millisecond

// Run evaluates until ctx ends, whenever this process leads. It returns the
// cause of the end and leaves nothing running.
func (e *Evaluator) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		e.lead(ctx)
	}
	return context.Cause(ctx)
}

// keepTime ticks until ctx ends or another process may lead.
func (e *Evaluator) keepTime(ctx context.Context, stillLeading func(context.Context) error) error {
	// What another process wrote while it led is to be read.
	e.memory = nil
	timer := time.NewTimer(0)
	defer timer.Stop()
	next, scheduled := time.Now(), true
	troubled := false
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-e.options.Changed:
			// The tick follows soon, and further changes with it.
			if scheduled && time.Until(next) > changeGap {
				timer.Reset(changeGap)
				scheduled = false
			}
			continue
		case <-timer.C:
		}
		if err := stillLeading(ctx); err != nil {
			return err
		}
		report, err := e.tick(ctx, scheduled)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		e.note(report, err, &troubled)
		next, scheduled = e.following(next), true
		timer.Reset(time.Until(next))
	}
}

// following returns the next moment on schedule after now, and counts those
// that have passed meanwhile: they are left out, not caught up.
func (e *Evaluator) following(due time.Time) time.Time {
	poll, now := e.options.PollInterval, time.Now()
	if now.Before(due) {
		return due // The tick was out of turn.
	}
	passed := now.Sub(due) / poll
	e.missed.Add(int64(passed))
	return due.Add((passed + 1) * poll)
}

// note counts and logs a tick.
func (e *Evaluator) note(report Report, err error, troubled *bool) {
	if err != nil {
		e.failed.Add(1)
		if !*troubled && !errors.Is(err, errOvertaken) {
			e.log.Error("evaluation stands still until PostgreSQL takes its results; nothing is lost", "error", err)
			*troubled = true
		}
		return
	}
	if *troubled {
		e.log.Info("PostgreSQL takes the results of evaluation again")
		*troubled = false
	}
	e.ticks.Add(1)
	e.firings.Add(int64(report.Firings))
	if report.Firings > 0 {
		e.log.Info("triggers fired", "deliveries", report.Firings)
	}
	e.log.Debug("evaluated", "classes", report.Classes, "queries", report.Queries, "states", report.States, "took", report.Took)
}
