package evaluator

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"plausible-webhooks/config/event"
)

// turn is a class that a tick evaluates.
type turn struct {
	class
	only map[ruleKey]bool // Nil: all of its rules.
}

// turns returns what a tick evaluates. Classes that are evaluated less often
// than every tick share the ticks, so that no tick has all their questions to
// ask: those with new rules come first, then those that have waited longest.
// more tells that new rules are left.
func (e *Evaluator) turns(now int64, scheduled bool) (list []turn, more bool) {
	poll := int64(e.options.PollInterval / time.Second)
	var slow []turn
	share := 0.0
	for c := range e.plan.classes {
		t := turn{class: c, only: e.unsettled[c]}
		whole := e.due(c, now, scheduled)
		if whole {
			t.only = nil
		}
		if c.every(poll) > poll {
			share += float64(poll) / float64(c.every(poll))
		}
		switch {
		case !whole && len(t.only) == 0:
		case c.every(poll) > poll:
			slow = append(slow, t)
		default:
			list = append(list, t)
		}
	}
	slices.SortFunc(slow, func(a, b turn) int {
		return cmp.Or(cmp.Compare(e.waits(b.class, now, poll), e.waits(a.class, now, poll)), cmp.Compare(a.window, b.window), cmp.Compare(a.kind, b.kind))
	})
	taken := min(len(slow), max(1, int(math.Ceil(share))))
	for _, t := range slow[taken:] {
		more = more || len(e.unsettled[t.class]) > 0
	}
	return append(list, slow[:taken]...), more
}

// waits is how many of its intervals a class has waited; one with new rules has
// waited longest.
func (e *Evaluator) waits(c class, now, poll int64) float64 {
	last, known := e.evaluated[c]
	if !known || len(e.unsettled[c]) > 0 {
		return math.Inf(1)
	}
	return float64(now-last) / float64(c.every(poll))
}

// due reports whether a class is to be evaluated as a whole. A tick that a
// change of the configuration has caused does not bring the others forward;
// one on schedule may be up to half an interval early, since ticks do not fall
// on whole seconds.
func (e *Evaluator) due(c class, now int64, scheduled bool) bool {
	last, known := e.evaluated[c]
	poll := int64(e.options.PollInterval / time.Second)
	wait := c.every(poll)
	if scheduled {
		wait -= poll / 2
	}
	return !known || now < last || now-last >= wait
}

// settle notes that a class was evaluated in a committed tick. One out of turn
// leaves the rhythm alone: counted from it, the next tick on schedule could
// come too soon for a class, and the one after that later than a poll interval.
// A new class that shares the ticks begins its rhythm with whatever tick is
// the first, or it would keep the place of the others until one on schedule.
func (e *Evaluator) settle(t turn, now int64, scheduled, left bool) {
	if left {
		return // It is due still.
	}
	_, known := e.evaluated[t.class]
	poll := int64(e.options.PollInterval / time.Second)
	if t.only == nil && (scheduled || !known && t.every(poll) > poll) {
		e.evaluated[t.class] = now
	}
	delete(e.unsettled, t.class)
}

// purgeEvery is how often states that no longer matter are looked for, and
// purgeAfter how long they are kept at least, both in seconds: a site or a
// trigger may return, and must not be told twice what was counted before.
const (
	purgeEvery = 3600
	purgeAfter = 86400
)

// purge removes conditions whose cooldown is over, and what is remembered of
// goals that nothing was counted of, or nobody has asked about, for long.
func (t *tick) purge(d *draft) {
	keep := max(purgeAfter, t.lookback)
	// A trigger of another type has a state of another kind under the same key.
	changing := func(key stateKey) bool {
		_, condition := d.conditions[key]
		_, goal := d.goals[key]
		return condition || goal
	}
	for key, s := range t.memory.conditions {
		cooldown := int64(defaultCooldown)
		if r, applies := t.plan.rule(key); applies {
			cooldown = int64(r.cooldown)
		}
		if !changing(key) && s.value.Episode == nil && t.now-s.value.Fired > max(keep, cooldown) {
			d.removed[key] = true
		}
	}
	for key, s := range t.memory.goals {
		if changing(key) || t.now-s.updated <= keep {
			continue
		}
		r, applies := t.plan.rule(key)
		if !applies || r.kind != event.GoalCompleted || s.value.idle(r, t.now, t.now-s.updated) {
			d.removed[key] = true
		}
	}
	for goal, s := range t.memory.definitions {
		if _, exists := t.plan.view.Goal(goal); !exists && t.now-s.updated > keep {
			d.removed[stateKey{site: s.value.site, goal: goal}] = true
		}
	}
}

// forget drops what is remembered of the past of sites that are gone.
func (e *Evaluator) forget(now int64) {
	e.purged = now
	maps.DeleteFunc(e.past, func(key pastKey, _ past) bool {
		_, exists := e.plan.view.Site(key.site)
		return !exists
	})
}
