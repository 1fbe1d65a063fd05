package evaluator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/evaluator/stats"
)

// BacktestOptions say which trigger is tried on the past of which site. Site,
// Trigger and Since are required.
type BacktestOptions struct {
	Site config.Site
	Goal *config.Goal // Of a trigger about goals, which are each counted by themselves; else nil.

	// Trigger need not be stored: its ids may be zero, and when it was made does
	// not matter, for the question is what it would have done.
	Trigger config.Trigger
	Format  event.Format // Of its webhook, for the default of the cooldown; empty: standard.

	// Threshold is that of the site's own notification, for a trigger of traffic
	// that has none.
	Threshold int
	// Others are more thresholds, of which only the number of firings is told.
	// Completed goals have none.
	Others []int

	Since, Until time.Time     // Whole seconds, both inclusive. Until zero: now, by ClickHouse's clock.
	PollInterval time.Duration // As in Options.
	Points       int           // How many points History.Series has at most; zero: 200.
	BaseURL      string        // For links to dashboards.

	// Progress is told from time to time how many of all seconds have been read.
	// Nil: nobody waits.
	Progress func(done, total int64)
}

// History is what a trigger would have done.
type History struct {
	Type                                      event.Type
	Threshold, WindowSeconds, CooldownSeconds int // As evaluated; zero where the type has none.
	Since, Until                              time.Time
	Evaluations                               int
	Interval                                  time.Duration // From one evaluation to the next.
	Rows                                      int           // Events read, those before Since that the first evaluation looks back on among them.
	Fired                                     int           // Ends are not counted.

	// Firings are by time, ends among them. Of very many only the newest are
	// here; Omitted is how many older ones are not.
	Firings []Firing
	Omitted int

	// Series is the value over time: of each stretch of time the greatest, of a
	// drop the least, and of completed goals the sum. SeriesStep is how long a
	// stretch is. Extreme is the greatest value, of a drop the least, and when it
	// was first seen; of completed goals it is a point of the series.
	Series     []Point
	SeriesStep time.Duration
	Extreme    Point

	Others []Outcome // In the order of BacktestOptions.Others.
}

// Firing is an event that would have been sent.
type Firing struct {
	At      time.Time
	Value   int    // Visitors or completions.
	Episode string // Its id; empty for completed goals.
	Ended   bool
	Event   event.Event

	// Listed tells that the event has its sources and pages, and of goals its
	// visitors. Only the newest firings have: each costs ClickHouse some work.
	Listed bool
}

// Point is a value at a time.
type Point struct {
	At    time.Time // Of a series: where its stretch of time begins.
	Value int
}

// Outcome is how often another threshold would have fired.
type Outcome struct{ Threshold, Fired int }

const (
	// mostFirings is how many firings a history holds.
	mostFirings = 10_000
	// mostListed is how many of them have lists: as many as one question may
	// ask for, but no more than have mostListedValue visitors or completions
	// between them, each of which is sorted by its source and page there.
	mostListed      = stats.FewSelections
	mostListedValue = 1_000_000

	defaultPoints = 200
)

// Backtest tells what a trigger would have done in the past. It reads the
// site's rows in order of time, a day at most at once, and evaluates at the
// moments of a tick with the same transitions as ticks do; memory grows with the
// visitors of one window. It differs from what a running sidecar has seen in
// that no row is late, and that the goal is as it is defined now.
func Backtest(ctx context.Context, client *stats.Client, o BacktestOptions) (History, error) {
	b, err := newBacktest(ctx, client, o)
	if err != nil {
		return History{}, fmt.Errorf("try %s on the past of %s: %w", o.Trigger.Type, o.Site.Domain, err)
	}
	if err := b.prepare(ctx); err != nil {
		return History{}, err
	}
	if err := b.read(ctx); err != nil {
		return History{}, err
	}
	return b.history(ctx)
}

// backtest is one run of Backtest.
type backtest struct {
	options      BacktestOptions
	stats        *stats.Client
	rule         rule
	of           subject
	since, until int64
	native       int64 // Nothing before it counts.
	course       course
	told         *record
	others       []*judge
	replay       replay
}

func newBacktest(ctx context.Context, client *stats.Client, o BacktestOptions) (*backtest, error) {
	if o.PollInterval == 0 {
		o.PollInterval = DefaultPollInterval
	}
	if o.Points == 0 {
		o.Points = defaultPoints
	}
	if o.Format == "" {
		o.Format = event.Standard
	}
	if o.Trigger.Threshold == 0 {
		o.Trigger.Threshold = o.Threshold
	}
	b := &backtest{
		options: o, stats: client, native: unixSeconds(o.Site.NativeStatsStartAt),
		since: unixSeconds(o.Since), until: unixSeconds(o.Until), of: subject{site: o.Site.ID, domain: o.Site.Domain},
	}
	b.rule = newRule(config.Webhook{ID: o.Trigger.WebhookID, SiteID: o.Site.ID, Format: o.Format}, o.Trigger)
	b.rule.start = 0
	switch {
	case !o.Trigger.Type.Firing():
		return nil, errors.New("no trigger is of that type")
	case o.Trigger.Type.AboutGoal() && o.Goal == nil:
		return nil, errors.New("it needs a goal")
	case o.Trigger.Type != event.GoalCompleted && b.rule.threshold < 1:
		return nil, errors.New("it needs a threshold")
	}
	if o.Goal != nil {
		b.rule.goal = o.Goal.ID
		b.of.goal = event.Goal{ID: o.Goal.ID, Name: o.Goal.DisplayName, Kind: string(o.Goal.Kind())}
	}
	if b.until == 0 {
		now, err := client.Now(ctx)
		if err != nil {
			return nil, err
		}
		b.until = now
	}
	b.since = max(b.since, b.native)
	if b.since > b.until {
		return nil, fmt.Errorf("the time ends at %s, before it or the site's statistics begin", time.Unix(b.until, 0).UTC().Format(time.RFC3339))
	}
	return b, nil
}

// prepare makes what the rows go through.
func (b *backtest) prepare(ctx context.Context) error {
	poll := int64(b.options.PollInterval / time.Second)
	step := class{b.rule.kind, b.rule.window}.every(poll)
	var from int64
	if b.rule.kind == event.GoalCompleted {
		c := newCompletionCourse(b.rule, b.options.Goal.Kind() == config.GoalScroll, b.options.Site.Timezone, b.since)
		b.course, b.told = c, &c.told
		from = c.from()
	} else {
		m, err := b.meter(ctx)
		if err != nil {
			return err
		}
		c := &conditionCourse{meter: m, of: b.of, judges: []*judge{{rule: b.rule}}}
		for _, threshold := range b.options.Others {
			r := b.rule
			r.threshold = threshold
			c.judges = append(c.judges, &judge{rule: r, told: record{countOnly: true}})
		}
		b.course, b.told, b.others = c, &c.judges[0].told, c.judges[1:]
		from = b.since - int64(b.rule.window)
	}
	b.replay = replay{
		course: b.course, step: step, next: b.since, until: b.until, from: max(from, b.native),
		series: newSeries(b.rule.kind, b.since, b.until, step, int64(b.options.Points)),
	}
	return nil
}

// meter returns what measures the value of a condition.
func (b *backtest) meter(ctx context.Context) (meter, error) {
	window := int64(b.rule.window)
	switch {
	case b.rule.kind == event.TrafficDrop:
		windowFrom := b.since - window
		last, err := b.stats.LastEvents(ctx, max(windowFrom-quietSeconds, b.native), windowFrom, []int64{b.of.site})
		if err != nil {
			return nil, err
		}
		return &liveVisitors{visitorsWithin: *newVisitorsWithin(window), native: b.native, last: last[b.of.site]}, nil
	case b.rule.kind == event.TrafficSpike || b.options.Goal.Kind() == config.GoalScroll:
		return newVisitorsWithin(window), nil
	}
	return &rowsWithin{window: window}, nil
}

// read replays the rows of the site, or of its goal.
func (b *backtest) read(ctx context.Context) error {
	if b.options.Goal == nil {
		return b.replay.run(ctx, b.options.Progress, func(from, before int64, each func(stats.Visit) error) error {
			return b.stats.Visits(ctx, b.of.site, from, before, each)
		})
	}
	f := stats.NewFilter()
	f.Add(b.options.Goal)
	m := stats.NewMatcher([]config.Goal{*b.options.Goal})
	byVisitor := b.options.Goal.Kind() == config.GoalScroll
	return b.replay.run(ctx, b.options.Progress, func(from, before int64, each func(stats.Visit) error) error {
		return b.stats.CompletionsInOrder(ctx, f, from, before, byVisitor, func(bucket *stats.Bucket, user uint64) (err error) {
			m.Match(f, bucket, func(int64) { err = each(stats.Visit{Second: bucket.Second, User: user, Rows: bucket.Rows}) })
			return err
		})
	})
}

func (b *backtest) history(ctx context.Context) (History, error) {
	firings, err := b.firings(ctx)
	if err != nil {
		return History{}, err
	}
	h := History{
		Type: b.rule.kind, Threshold: b.rule.threshold, WindowSeconds: b.rule.window, CooldownSeconds: b.rule.cooldown,
		Since: time.Unix(b.since, 0).UTC(), Until: time.Unix(b.until, 0).UTC(),
		Evaluations: b.replay.evaluations, Interval: time.Duration(b.replay.step) * time.Second, Rows: b.replay.rows,
		Fired: b.told.fired, Firings: firings, Omitted: b.told.omitted,
		Series: b.replay.series.list(), SeriesStep: time.Duration(b.replay.series.length) * time.Second, Extreme: b.replay.series.extreme(),
	}
	for _, j := range b.others {
		h.Others = append(h.Others, Outcome{j.rule.threshold, j.told.fired})
	}
	return h, nil
}
