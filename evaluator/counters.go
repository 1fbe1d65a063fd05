package evaluator

import (
	"sync/atomic"
	"time"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/outage"
)

// Counters are running totals of a process, for metrics.
type Counters struct {
	Ticks      int64                // Evaluations that were committed or had nothing to do.
	Missed     int64                // Ticks left out because one before took too long.
	Unanswered int64                // Parts of ticks that ClickHouse did not answer.
	Failed     int64                // Ticks that PostgreSQL did not take.
	Firings    map[event.Type]int64 // Deliveries written; every type that evaluation writes is there.
	LateRows   int64                // Of goals, that came later than LateEvents and are in no count.
	Queries    int64                // Sent to ClickHouse.
	Interval   time.Duration        // From the last tick to the next; longer than PollInterval while ticks are slow.
	Complete   time.Time            // When a tick was last answered and committed as a whole; zero: never.
	Newest     time.Time            // The newest timestamp of an event that any answer held; zero: none did.
}

// firingTypes are the types of what evaluation writes.
func firingTypes() (types []event.Type) {
	for _, t := range event.Firing() {
		types = append(types, t)
		if ended, ok := t.Ended(); ok {
			types = append(types, ended)
		}
	}
	return types
}

func newFirings() map[event.Type]*atomic.Int64 {
	counters := map[event.Type]*atomic.Int64{}
	for _, t := range firingTypes() {
		counters[t] = new(atomic.Int64)
	}
	return counters
}

// Counters returns the totals so far.
func (e *Evaluator) Counters() Counters {
	c := Counters{
		Ticks: e.ticks.Load(), Missed: e.missed.Load(), Unanswered: e.unanswered.Load(),
		Failed: e.failed.Load(), LateRows: e.late.Load(), Firings: map[event.Type]int64{},
		Interval: time.Duration(e.interval.Load()),
	}
	for t, n := range e.firings {
		c.Firings[t] = n.Load()
	}
	if at := e.complete.Load(); at != 0 {
		c.Complete = time.Unix(0, at)
	}
	if e.options.Stats != nil {
		c.Queries = e.options.Stats.Queries()
		if at := e.options.Stats.Newest(); at != 0 {
			c.Newest = time.Unix(at, 0)
		}
	}
	return c
}

// Status tells whether evaluation goes on, and where not, why.
type Status struct {
	Leading    bool // This process evaluates.
	StandingBy bool // Another one does, as far as is known.

	ClickHouse, PostgreSQL *outage.Present // Nil: no trouble.
}

// Status returns the present status. It may be called at any time.
func (e *Evaluator) Status() Status {
	s := Status{Leading: e.leading.Load(), StandingBy: e.standingBy.Load()}
	if t, ok := e.clickhouse.Present(); ok {
		s.ClickHouse = &t
	}
	if t, ok := e.postgres.Present(); ok {
		s.PostgreSQL = &t
	}
	return s
}
