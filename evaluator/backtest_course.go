package evaluator

import (
	"maps"

	"plausible-webhooks/evaluator/stats"
)

// conditionCourse judges one value by several thresholds.
type conditionCourse struct {
	meter
	of     subject
	judges []*judge
}

// judge is a rule with its state.
type judge struct {
	rule  rule
	state conditionState
	told  record
}

func (c *conditionCourse) step(now int64) int {
	seen := c.at(now)
	for _, j := range c.judges {
		// As in tick.evaluate: nothing runs and nothing begins.
		if j.state.Episode == nil && !(seen.mayFire && j.rule.holds(seen.value)) {
			continue
		}
		after, firings := next(j.state, j.rule, c.of, seen, now)
		j.state = after
		for _, f := range firings {
			j.told.add(replayed{at: now, firing: f})
		}
	}
	return seen.value
}

// replayed is a firing of the past.
type replayed struct {
	at     int64
	firing firing
	tally  tally // Of completed goals, which have no episode.
}

// record holds the newest firings.
type record struct {
	fired     int // Ends are not counted.
	omitted   int
	list      []replayed
	countOnly bool
}

func (r *record) add(x replayed) {
	if !x.firing.ended {
		r.fired++
	}
	if r.countOnly {
		return
	}
	r.list = append(r.list, x)
	if len(r.list) == 2*mostFirings {
		r.trim()
	}
}

// trim leaves the newest ones.
func (r *record) trim() {
	if drop := len(r.list) - mostFirings; drop > 0 {
		r.omitted += drop
		r.list = append(r.list[:0], r.list[drop:]...)
	}
}

// completionCourse counts the completions of a goal. Rows up to and including
// the second before counting are no news.
type completionCourse struct {
	rule     rule
	scroll   bool
	timezone string
	before   int64
	stepped  bool
	fresh    tally         // Rows since the last step, but of a scroll goal.
	days     []*reachedDay // Of a scroll goal, by time.
	state    goalState
	told     record
}

// reachedDay is a day of a scroll goal that is going on.
type reachedDay struct {
	day
	visitors map[uint64]struct{}
	fresh    tally // Rows since the last step.
}

func newCompletionCourse(r rule, scroll bool, timezone string, before int64) *completionCourse {
	return &completionCourse{rule: r, scroll: scroll, timezone: timezone, before: before}
}

// from is where reading begins: those who reached a scroll goal earlier on the
// first day do not reach it again.
func (c *completionCourse) from() int64 {
	if c.scroll {
		return dayOf(c.before, c.timezone).first
	}
	return c.before + 1
}

func (c *completionCourse) add(v stats.Visit) {
	var news tally
	if v.Second > c.before {
		news = tally{v.Rows, v.Second, v.Second}
	}
	if !c.scroll {
		c.fresh = c.fresh.add(news)
		return
	}
	n := len(c.days)
	if n == 0 || c.days[n-1].last < v.Second {
		c.days = append(c.days, &reachedDay{day: dayOf(v.Second, c.timezone), visitors: map[uint64]struct{}{}})
		n++
	}
	d := c.days[n-1]
	d.visitors[v.User] = struct{}{}
	d.fresh = d.fresh.add(news)
}

func (c *completionCourse) step(now int64) int {
	counted := c.fresh.Conversions
	c.state.Waiting, c.fresh = c.state.Waiting.add(c.fresh), tally{}
	c.tell(now)
	if c.scroll {
		return c.reach(now)
	}
	return counted
}

// reach counts the visitors of the days with new rows, as tick.reached does,
// and returns how many are new.
func (c *completionCourse) reach(now int64) int {
	newly, stale := 0, false
	for _, d := range c.days {
		switch {
		case !c.stepped:
			c.state.Reached = map[int64]int{d.first: len(d.visitors)}
		case !d.fresh.IsZero():
			waited := c.state.Waiting.Conversions
			c.state.Stale = map[int64]tally{d.first: d.fresh}
			c.state = recounted(c.state, d.first, len(d.visitors))
			newly += c.state.Waiting.Conversions - waited
			d.fresh, stale = tally{}, true
		}
	}
	c.stepped = true
	for len(c.days) > 0 && c.days[0].last <= now {
		c.state.Reached = maps.Clone(c.state.Reached)
		delete(c.state.Reached, c.days[0].first)
		c.days = c.days[1:]
	}
	if stale {
		c.tell(now)
	}
	return newly
}

// tell tells what waits, if it is due.
func (c *completionCourse) tell(now int64) {
	state, told := release(c.state, c.rule.cooldown, now)
	c.state = state
	if !told.IsZero() {
		c.told.add(replayed{at: now, tally: told, firing: firing{kind: c.rule.kind, value: told.Conversions, counted: true}})
	}
}
