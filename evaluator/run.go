package evaluator

import (
	"context"
	"errors"
	"time"
)

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
	p := pace{poll: e.options.PollInterval, due: time.Now()}
	scheduled := true
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-e.options.Changed:
			// The tick follows soon, and further changes with it.
			if soon := p.soon(time.Now()); scheduled && soon.Before(p.due) {
				timer.Reset(time.Until(soon))
				scheduled = false
			}
			continue
		case <-timer.C:
		}
		if err := stillLeading(ctx); err != nil {
			return err
		}
		began := time.Now()
		report, err := e.tick(ctx, scheduled)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		e.note(report, err)
		e.rest(&p, began, time.Now())
		at := p.due
		if soon := p.soon(time.Now()); report.more && soon.Before(at) {
			at = soon
		}
		scheduled = at.Equal(p.due)
		timer.Reset(time.Until(at))
	}
}

// rest plans the next tick on schedule, and tells when ticks have become slow
// for good and when they have recovered.
func (e *Evaluator) rest(p *pace, began, ended time.Time) {
	missed := p.ticked(began, ended)
	e.missed.Add(int64(missed))
	if e.options.Ticked != nil {
		e.options.Ticked(ended.Sub(began))
	}
	e.interval.Store(int64(p.due.Sub(began)))
	switch p.turned() {
	case slowed:
		e.log.Warn("evaluation is slow and rests longer in between, to leave ClickHouse to Plausible", "took", ended.Sub(began), "interval", p.poll*time.Duration(missed+1))
	case recovered:
		e.log.Info("evaluation keeps its interval again", "interval", p.poll)
	}
}

// note counts and logs a tick.
func (e *Evaluator) note(report Report, err error) {
	if err != nil {
		e.failed.Add(1)
		if !errors.Is(err, errOvertaken) {
			e.stoodStill(err)
		}
		return
	}
	e.worked()
	e.ticks.Add(1)
	if len(report.Unanswered) == 0 {
		e.complete.Store(time.Now().UnixNano())
	}
	for kind, n := range report.Types {
		if counter := e.firings[kind]; counter != nil {
			counter.Add(int64(n))
		}
	}
	if report.Firings > 0 {
		e.log.Info("triggers fired", "deliveries", report.Firings)
	}
	e.log.Debug("evaluated", "classes", report.Classes, "queries", report.Queries, "states", report.States, "took", report.Took)
}
