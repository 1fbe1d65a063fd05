package evaluator

import (
	"cmp"
	"slices"
)

// second is how many rows of one second were counted. It is stored as a pair.
type second [2]int64

func (s second) at() int64   { return s[0] }
func (s second) rows() int64 { return s[1] }

// goalState is what a goal trigger remembers of one goal. The zero value is
// that of a trigger that has counted nothing.
type goalState struct {
	Start   int64    `json:"start"`             // rule.start that the state belongs to.
	Since   int64    `json:"since,omitempty"`   // When the trigger took the goal over from another; zero: never.
	Own     int64    `json:"own,omitempty"`     // The webhook on which it is the goal's own trigger; zero: it is one of all goals, or was taken over from.
	Counted []second `json:"counted,omitempty"` // By time; only seconds that are read again.
	Fired   int64    `json:"fired,omitempty"`   // The last firing; zero: never.
	Firings int64    `json:"firings,omitempty"` // Numbers the firings.
	Waiting tally    `json:"waiting,omitzero"`  // Counted, not told yet.

	// Of a scroll goal, by the first second of the day, in the time zone of the
	// site: Reached counts its visitors, and Stale names the days with rows that
	// came since, and when they did. Visitors are counted from ReachedFrom on.
	Reached     map[int64]int   `json:"reached,omitempty"`
	ReachedFrom int64           `json:"reached_from,omitempty"`
	Stale       map[int64]tally `json:"stale,omitempty"`
}

// tally is a number of conversions and the seconds of the first and the last.
type tally struct {
	Conversions int   `json:"n"`
	From        int64 `json:"from"`
	To          int64 `json:"to"`
}

func (t tally) IsZero() bool { return t == tally{} }

// add joins what was newly counted.
func (t tally) add(u tally) tally {
	switch {
	case u.IsZero():
		return t
	case t.IsZero():
		return u
	}
	return tally{t.Conversions + u.Conversions, min(t.From, u.From), max(t.To, u.To)}
}

// span is the stretch of time that an evaluation has read, and how much of it
// will be read again. Unix seconds.
type span struct {
	after   int64 // Not read: everything up to and including this second.
	through int64 // The last second read.
	sealed  int64 // Everything up to here will not be read again. Before after where the span is a later chunk of one that was read in several.
}

// count compares what was seen (rows by second, inside the span) with what had
// been counted, and returns the state with the new counts and what is new.
// Rows are only ever added; a count that falls (statistics reset, rows
// deleted, another replica) is the new base and no event. changed is false
// where the state need not be written. It changes nothing that s refers to.
func count(s goalState, seen map[int64]int, in span) (next goalState, fresh []second, changed bool) {
	counted := make([]second, 0, len(s.Counted)+len(seen))
	known := make(map[int64]bool, len(s.Counted))
	for _, c := range s.Counted {
		known[c.at()] = true
		if c.at() <= in.after {
			// Sealed before: dropping it alone is no reason to write. Or of an
			// earlier chunk of the same evaluation, which is read again next time.
			if c.at() > in.sealed {
				counted = append(counted, c)
			}
			continue
		}
		rows := int64(seen[c.at()])
		if c.at() > in.through {
			rows = c.rows() // Not read this time: the clock of ClickHouse went back.
		}
		if rows > c.rows() {
			fresh = append(fresh, second{c.at(), rows - c.rows()})
		}
		changed = changed || rows != c.rows()
		if c.at() > in.sealed && rows > 0 {
			counted = append(counted, second{c.at(), rows})
		}
	}
	for at, rows := range seen {
		if known[at] || rows == 0 || at <= in.after || at > in.through {
			continue
		}
		fresh = append(fresh, second{at, int64(rows)})
		changed = true
		if at > in.sealed {
			counted = append(counted, second{at, int64(rows)})
		}
	}
	byTime := func(a, b second) int { return cmp.Compare(a.at(), b.at()) }
	slices.SortFunc(counted, byTime)
	slices.SortFunc(fresh, byTime)
	s.Counted = counted
	return s, fresh, changed
}

// total is what the seconds add up to.
func total(fresh []second) tally {
	var sum tally
	for _, f := range fresh {
		sum = sum.add(tally{int(f.rows()), f.at(), f.at()})
	}
	return sum
}

// restart begins anew where the trigger was enabled again or given another
// goal. What was counted stays so, or it could be told twice.
func restart(s goalState, start int64) goalState {
	if s.Start == start {
		return s
	}
	return goalState{Start: start, Own: s.Own, Counted: s.Counted, Firings: s.Firings}
}

// release returns what is to be told now: everything that waits, once the
// cooldown has passed.
func release(s goalState, cooldown int, now int64) (goalState, tally) {
	s.Fired = min(s.Fired, now) // The clock went back.
	if s.Waiting.IsZero() || (s.Fired != 0 && now-s.Fired < int64(cooldown)) {
		return s, tally{}
	}
	told := s.Waiting
	s.Waiting, s.Fired = tally{}, now
	s.Firings++
	return s, told
}

// longestDay is that of a calendar, in seconds.
const longestDay = 25 * 3600

// idle reports whether a state that has not changed for some seconds makes no
// difference to one of a trigger that has counted nothing.
func (s goalState) idle(r rule, now, unchanged int64) bool {
	return s.Waiting.IsZero() && len(s.Stale) == 0 && s.Since == 0 && now-s.Fired > int64(r.cooldown) &&
		(len(s.Reached) == 0 || unchanged > longestDay)
}
