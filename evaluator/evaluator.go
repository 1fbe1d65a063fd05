package evaluator

import (
	"context"
	"sync/atomic"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/config/outage"
	"plausible-webhooks/evaluator/stats"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Options are what an Evaluator works with. Views, DB and Stats are required.
type Options struct {
	// Views returns the present configuration; nil until there is one.
	Views func() *config.View
	// Changed is received from when the configuration has changed; the signal
	// may be coalesced. Nil: never.
	Changed <-chan struct{}
	DB      *pgxpool.Pool
	Stats   *stats.Client
	BaseURL string // BASE_URL, for links to dashboards.

	PollInterval time.Duration // Zero: 5 s. Whole seconds.
	Lookback     time.Duration // Zero: 24 h.
	LateEvents   time.Duration // Zero: 2 m.

	Logger hclog.Logger // Nil: none.
	// Wake is called after deliveries were committed. Nil: nobody waits.
	Wake func()
	// Ticked is told how long each evaluation took, for metrics; it must not
	// block. Nil: nobody counts.
	Ticked func(took time.Duration)

	// Clock replaces the time of ClickHouse, which is asked at the start of
	// each tick, in tests and measurements.
	Clock func(context.Context) (time.Time, error)

	// interrupt lets a test fail a tick between two statements.
	interrupt func(point string) error
}

// Defaults of deploy/REFERENCE.md section 1.
const (
	DefaultPollInterval = 5 * time.Second
	DefaultLookback     = 24 * time.Hour
	DefaultLateEvents   = 2 * time.Minute
)

// Evaluator evaluates all triggers. Run and Tick must not overlap; Counters
// may be called at any time.
type Evaluator struct {
	options Options
	log     hclog.Logger

	memory    *memory                    // Nil: to be read.
	plan      *plan                      // Nil before the first tick.
	unsettled map[class]map[ruleKey]bool // Rules that are new or have changed.
	taken     map[stateKey]int64         // See plan.uncovered.
	evaluated map[class]int64            // When, Unix seconds.
	past      map[pastKey]past
	purged    int64
	slice     int64
	crowded   bool            // See tick.isCrowded.
	silent    map[string]bool // Parts that ClickHouse did not answer last time.

	redefine   map[int64]bool // Goals that may have another definition.
	redefining bool           // Definitions are to be looked at.

	scrollsAt, scrollsRest int64 // When scroll goals were counted, and until when they rest; Unix seconds.

	lateness lateness

	clickhouse, postgres outage.Outage // Why evaluation stands still.

	ticks, missed, unanswered, failed, late atomic.Int64
	firings                                 map[event.Type]*atomic.Int64 // The map itself does not change.
	interval                                atomic.Int64                 // From the last tick to the next; nanoseconds.
	complete                                atomic.Int64                 // When a tick was last answered and committed as a whole; Unix nanoseconds.
	leading, standingBy                     atomic.Bool
}

// New returns an evaluator that does nothing until Run or Tick.
func New(o Options) *Evaluator {
	if o.PollInterval == 0 {
		o.PollInterval = DefaultPollInterval
	}
	if o.Lookback == 0 {
		o.Lookback = DefaultLookback
	}
	if o.LateEvents == 0 {
		o.LateEvents = DefaultLateEvents
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	return &Evaluator{
		options: o, log: o.Logger, firings: newFirings(),
		unsettled: map[class]map[ruleKey]bool{}, redefine: map[int64]bool{}, taken: map[stateKey]int64{}, evaluated: map[class]int64{},
		past: map[pastKey]past{}, silent: map[string]bool{}, slice: longestSlice,
	}
}

// clock is the time of a tick.
func (e *Evaluator) clock(ctx context.Context) (int64, error) {
	if e.options.Clock == nil {
		return e.options.Stats.Now(ctx)
	}
	now, err := e.options.Clock(ctx)
	return now.Unix(), err
}

// reached is where a test may interrupt.
func (e *Evaluator) reached(point string) error {
	if e.options.interrupt == nil {
		return nil
	}
	return e.options.interrupt(point)
}
