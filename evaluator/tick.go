package evaluator

import (
	"context"
	"errors"
	"time"

	"plausible-webhooks/config/event"
	"plausible-webhooks/evaluator/stats"
)

// Report tells what one tick has done.
type Report struct {
	Now        time.Time          // ClickHouse's time at its start; zero: nothing was evaluated.
	Classes    int                // Window classes evaluated.
	Queries    int                // Sent to ClickHouse.
	States     int                // Written or removed.
	Firings    int                // Deliveries written, recoveries and cancelled ones among them.
	Types      map[event.Type]int // The same by type.
	Took       time.Duration
	Unanswered []error // Parts that ClickHouse did not answer; they changed nothing.

	more bool // New rules are left for a tick soon.
}

// tick is one evaluation.
type tick struct {
	now            int64
	late, lookback int64
	slice          int64 // See longestSlice.
	stats          *stats.Client
	plan           *plan
	memory         *memory
	defined        map[int64]definition // That differ from those in memory.
	past           map[pastKey]past
	taken          map[stateKey]int64 // See plan.uncovered.
	writer         writer

	sealed   stretch // What completions has counted for ever.
	crowded  bool    // Visitors are too many to be read with what they complete.
	audience *stats.Audience
	buckets  int // Read by completions, for each goal that they complete.

	ahead *ahead
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
		e.memory, e.redefining = m, true
		// Another process may have evaluated by other plans meanwhile: what has
		// changed is judged by what it has stored.
		e.plan = nil
		clear(e.taken)
	}
	now, err := e.clock(ctx)
	e.answered(partTime, err)
	if err != nil {
		return Report{Unanswered: []error{err}}, nil
	}
	e.follow(view)
	t := &tick{
		now: now, late: int64(e.options.LateEvents / time.Second), lookback: int64(e.options.Lookback / time.Second), slice: e.slice,
		stats: e.options.Stats, plan: e.plan, memory: e.memory, defined: e.define(now), past: e.past, taken: e.taken,
		crowded: e.crowded, writer: writer{view, e.options.BaseURL, now},
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
	turns, more := e.turns(now, scheduled)
	report.more = more
	t.ahead = t.askAhead(ctx, turns)
	defer t.ahead.end()
	part(partClosings, func() (*draft, error) { return t.closings(ctx) })
	counted := part(partGoals, func() (*draft, error) { return t.completions(ctx) })
	e.crowded = !counted || t.isCrowded()
	e.slice = longestSlice
	if !counted {
		e.slice = max(t.slice/4, shortestSlice)
	}
	if now >= e.scrollsRest || now < e.scrollsAt {
		began := time.Now()
		part(partScroll, func() (*draft, error) { return t.reached(ctx, whole) })
		e.scrollsAt, e.scrollsRest = now, now+int64(scrollRest*time.Since(began)/time.Second)
	}
	var done []turn
	left := map[class]bool{}
	for _, turn := range turns {
		if part(turn.part(), func() (*draft, error) {
			v, err := t.evaluate(ctx, turn.class, turn.only)
			left[turn.class] = v.left
			return v.draft, err
		}) {
			done = append(done, turn)
		}
	}
	if late, due := e.lateness.due(now); due {
		part(partLate, func() (*draft, error) { return newDraft(), e.lateRows(ctx, late) })
	}
	e.listened()
	purge := now-e.purged >= purgeEvery || now < e.purged
	if purge {
		t.purge(whole)
	}
	if ctx.Err() != nil {
		return report, context.Cause(ctx)
	}
	delivered, err := e.commit(ctx, e.memory, whole, now)
	if err != nil {
		e.memory = nil
		return report, err
	}
	for _, turn := range done {
		e.settle(turn, now, scheduled, left[turn.class])
	}
	if counted {
		e.lateness.note(t.sealed)
		clear(e.taken)
		if e.redefining {
			e.redefined()
		}
	}
	if purge {
		e.forget(now)
	}
	report.Classes = len(done)
	report.States = len(whole.conditions) + len(whole.goals) + len(whole.definitions) + len(whole.removed)
	report.Types = delivered
	for _, n := range delivered {
		report.Firings += n
	}
	return report, nil
}

// scrollRest is how many times as long as counting the visitors of scroll
// goals took they are left in peace: a whole day is read for them.
const scrollRest = 20
