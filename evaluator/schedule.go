package evaluator

import (
	"maps"
	"time"

	"plausible-webhooks/config"
)

// follow brings the plan in step with the view and notes which rules have
// appeared or changed: they are evaluated at once.
func (e *Evaluator) follow(view *config.View) {
	if e.plan != nil && e.plan.view == view {
		return
	}
	before := e.plan
	e.plan = newPlan(view, before)
	unsettled := e.plan.changedSince(before)
	for _, rules := range e.unsettled {
		for old := range rules {
			r, still := e.plan.traffic[ruleKey{old.trigger, old.site}]
			if !still {
				continue
			}
			c := class{r.kind, r.window}
			if unsettled[c] == nil {
				unsettled[c] = map[*rule]bool{}
			}
			unsettled[c][r] = true
		}
	}
	e.unsettled = unsettled
	if before != nil {
		maps.Copy(e.taken, e.plan.uncovered(before))
	}
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

// settle notes what a committed tick has evaluated. One out of turn leaves the
// rhythm alone: counted from it, the next tick on schedule could come too soon
// for a class, and the one after that later than a poll interval.
func (e *Evaluator) settle(now int64, scheduled bool, evaluated map[class]bool, counted, purged bool) {
	for c, whole := range evaluated {
		if whole && scheduled {
			e.evaluated[c] = now
		}
		delete(e.unsettled, c)
	}
	maps.DeleteFunc(e.evaluated, func(c class, _ int64) bool { return e.plan.classes[c] == nil })
	if counted {
		clear(e.taken)
	}
	if purged {
		e.purged = now
		maps.DeleteFunc(e.past, func(key pastKey, _ past) bool {
			_, exists := e.plan.view.Site(key.site)
			return !exists
		})
	}
}

// purgeEvery is how often states that no longer matter are looked for, and
// purgeAfter how long they are kept at least, both in seconds: a site or a
// trigger may return, and must not be told twice what was counted before.
const (
	purgeEvery = 3600
	purgeAfter = 86400
)

// purge removes traffic states whose cooldown is over, and those of goals that
// nobody asks about any more.
func (t *tick) purge(d *draft) {
	keep := max(purgeAfter, t.lookback)
	old := func(updated time.Time) bool { return t.now-updated.Unix() > keep }
	for key, s := range t.memory.traffic {
		cooldown := int64(defaultCooldown)
		if r, applies := t.plan.rule(key.trigger, key.site); applies {
			cooldown = int64(r.cooldown)
		}
		if _, changing := d.traffic[key]; !changing && s.value.Episode == nil && t.now-s.value.Fired > max(keep, cooldown) {
			d.removed[key] = true
		}
	}
	for key, s := range t.memory.goals {
		if g, _ := t.plan.goals.bound(key); g == nil && old(s.updated) {
			d.removed[key] = true
		}
	}
	for key, s := range t.memory.definitions {
		if _, exists := t.plan.view.Goal(key.goal); !exists && old(s.updated) {
			d.removed[key] = true
		}
	}
}
