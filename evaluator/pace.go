package evaluator

import "time"

const (
	// changeGap is the shortest time from a change of the configuration to its
	// tick: Plausible and people may change it many times a second.
	changeGap = 200 * time.Millisecond
	// tickRest is how many times as long as a tick took the time from its
	// beginning to the next one on schedule is at least: evaluation takes a
	// fifth of the time at most. One out of turn asks little and may follow
	// after changeRest times as long.
	tickRest   = 5
	changeRest = 2
	// firstRest is how many intervals that may become after one slow tick, which
	// is no reason to be late with everything; it doubles with each further one,
	// up to longestRest.
	firstRest   = 2
	longestRest = 2 * time.Minute
	// steady is how many ticks in a row make slowness, or its end, worth a
	// line in the log.
	steady = 3
)

// pace decides when the next tick begins. It knows no clock.
type pace struct {
	poll time.Duration
	due  time.Time // Of the next tick on schedule.
	free time.Time // Before it no tick out of turn begins.

	slowTicks int  // In a row, up to now.
	slow      bool // As the log has been told.
	inARow    int  // Ticks that said otherwise.
	missed    int
}

// ticked plans the tick after one, and returns how many on schedule are left
// out: they are not caught up. Ticks keep to multiples of poll, so that a tick
// out of turn moves none.
func (p *pace) ticked(began, ended time.Time) (missed int) {
	took := ended.Sub(began)
	most := took + p.mostRest(tickRest*took > p.poll)
	p.free = began.Add(min(changeRest*took, most))
	earliest := began.Add(min(tickRest*took, most))
	if !ended.Before(p.due) {
		p.due = p.due.Add(p.poll)
	}
	if behind := earliest.Sub(p.due); behind > 0 {
		missed = int((behind + p.poll - 1) / p.poll)
		p.due = p.due.Add(time.Duration(missed) * p.poll)
	}
	p.missed = missed
	return missed
}

// mostRest is the longest time from the end of a tick to the next one on
// schedule.
func (p *pace) mostRest(slow bool) time.Duration {
	if !slow {
		p.slowTicks = 0
	}
	most := firstRest * p.poll
	for range p.slowTicks {
		if most *= 2; most > longestRest {
			most = longestRest
			break
		}
	}
	if slow {
		p.slowTicks++
	}
	return most
}

// soon is when a tick out of turn may begin.
func (p *pace) soon(now time.Time) time.Time {
	if soon := now.Add(changeGap); soon.After(p.free) {
		return soon
	}
	return p.free
}

type turning int

const (
	unchanged turning = iota
	slowed
	recovered
)

// turned reports whether slowness has come or gone for good. A single slow tick
// is no news: every few minutes one looks at longer windows.
func (p *pace) turned() turning {
	if (p.missed > 0) == p.slow {
		p.inARow = 0
		return unchanged
	}
	if p.inARow++; p.inARow < steady {
		return unchanged
	}
	p.slow, p.inARow = !p.slow, 0
	if p.slow {
		return slowed
	}
	return recovered
}
