package evaluator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"plausible-webhooks/evaluator/stats"
)

// Report tells what one tick has done.
type Report struct {
	Now        time.Time // ClickHouse's time at its start; zero: nothing was evaluated.
	Classes    int       // Window classes evaluated.
	Queries    int       // Sent to ClickHouse.
	States     int       // Written or removed.
	Firings    int       // Deliveries written, recoveries and cancelled ones among them.
	Took       time.Duration
	Unanswered []error // Parts that ClickHouse did not answer; they changed nothing.
}

// tick is one evaluation.
type tick struct {
	now            int64
	late, lookback int64
	slice          int64 // See longestSlice.
	stats          *stats.Client
	plan           *plan
	memory         *memory
	past           map[pastKey]past
	taken          map[stateKey]bool
	writer         writer
}

// Tick evaluates once, whoever leads. It is for Run, tests and measurements.
// It must not be called while another call or Run is under way. Parts that
// ClickHouse does not answer are reported, logged and left as they were; the
// error is one of PostgreSQL, after which nothing was changed either.
func (e *Evaluator) Tick(ctx context.Context) (Report, error) {
	return e.tick(ctx, true)
}

func (e *Evaluator) tick(ctx context.Context, scheduled bool) (Report, error) {
	began, queries := time.Now(), e.options.Stats.Queries()
	report, err := e.evaluate(ctx, scheduled)
	if errors.Is(err, errOvertaken) {
		// Its states are read afresh; what it has told will not be told again.
		report, err = e.evaluate(ctx, scheduled)
	}
	report.Took = time.Since(began)
	report.Queries = int(e.options.Stats.Queries() - queries)
	if report.Firings > 0 && e.options.Wake != nil {
		e.options.Wake()
	}
	return report, err
}

func (e *Evaluator) evaluate(ctx context.Context, scheduled bool) (Report, error) {
	view := e.options.Views()
	if view == nil || view.SiteCount() == 0 {
		// No sites at all is a restore under way, not the end of every site.
		return Report{}, nil
	}
	if e.memory == nil {
		m, err := load(ctx, e.options.DB)
		if err != nil {
			return Report{}, err
		}
		e.memory = m
	}
	now, err := e.clock(ctx)
	e.answered("time", err)
	if err != nil {
		return Report{Unanswered: []error{err}}, nil
	}
	e.follow(view)
	t := &tick{
		now: now, late: int64(e.options.LateEvents / time.Second), lookback: int64(e.options.Lookback / time.Second), slice: e.slice,
		stats: e.options.Stats, plan: e.plan, memory: e.memory, past: e.past, taken: e.taken,
		writer: writer{view, e.options.BaseURL, now},
	}
	report := Report{Now: time.Unix(now, 0)}
	whole := newDraft()
	part := func(name string, evaluate func() (*draft, error)) bool {
		d, err := evaluate()
		e.answered(name, err)
		if err != nil {
			report.Unanswered = append(report.Unanswered, err)
			return false
		}
		whole.join(d)
		return true
	}
	part("closings", func() (*draft, error) { return t.closings(ctx) })
	counted := part("goals", func() (*draft, error) { return t.completions(ctx) })
	e.slice = longestSlice
	if !counted {
		e.slice = max(t.slice/4, shortestSlice)
	}
	evaluated := map[class]bool{}
	for c := range e.plan.classes {
		due, only := e.due(c, now, scheduled), e.unsettled[c]
		if !due && len(only) == 0 {
			continue
		}
		if due {
			only = nil
		}
		if part(fmt.Sprintf("%s over %d s", c.kind, c.window), func() (*draft, error) { return t.traffic(ctx, c, only) }) {
			evaluated[c] = due
		}
	}
	purge := now-e.purged >= purgeEvery || now < e.purged
	if purge {
		t.purge(whole)
	}
	if ctx.Err() != nil {
		return report, context.Cause(ctx)
	}
	delivered, err := e.commit(ctx, e.memory, whole, time.Unix(now, 0))
	if err != nil {
		e.memory = nil
		return report, err
	}
	e.settle(now, scheduled, evaluated, counted, purge)
	report.Classes = len(evaluated)
	report.States = len(whole.traffic) + len(whole.goals) + len(whole.definitions) + len(whole.removed)
	report.Firings = int(delivered)
	return report, nil
}
