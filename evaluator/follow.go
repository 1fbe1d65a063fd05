package evaluator

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
)

// follow brings the plan in step with the view and notes what has appeared or
// changed: such rules are evaluated at once, and such goals' definitions are
// looked at.
func (e *Evaluator) follow(view *config.View) {
	if e.plan != nil && e.plan.view == view {
		return
	}
	before := e.plan
	e.plan = newPlan(view)
	e.lateness = lateness{} // Another question would find other rows.
	for c, rules := range e.plan.changedSince(before) {
		e.unsettle(c, rules)
	}
	maps.DeleteFunc(e.unsettled, func(c class, _ map[ruleKey]bool) bool { return e.plan.classes[c] == nil })
	maps.DeleteFunc(e.evaluated, func(c class, _ int64) bool { return e.plan.classes[c] == nil })
	var old *config.View
	if before != nil {
		old = before.view
		maps.Copy(e.taken, e.plan.uncovered(before.untilNow()))
	} else {
		maps.Copy(e.taken, e.plan.uncovered(e.memory.own()))
	}
	e.redefining = true
	for g := range view.GoalsChangedSince(old) {
		e.redefine[g.ID] = true
	}
	for key := range e.memory.open {
		if r, applies := e.plan.rule(key); applies && e.redefine[key.goal] {
			e.unsettle(class{r.kind, r.window}, map[ruleKey]bool{{key.trigger, key.site}: true})
		}
	}
}

func (e *Evaluator) unsettle(c class, rules map[ruleKey]bool) {
	if e.unsettled[c] == nil {
		e.unsettled[c] = map[ruleKey]bool{}
	}
	maps.Copy(e.unsettled[c], rules)
}

// changedSince returns the rules that are new or have other values than in the
// plan before.
func (p *plan) changedSince(before *plan) map[class]map[ruleKey]bool {
	changed := map[class]map[ruleKey]bool{}
	for c, m := range p.classes {
		rules := map[ruleKey]bool{}
		var old members
		if before != nil && before.classes[c] != nil {
			old = *before.classes[c]
		}
		known := old.ofSite
		for _, x := range m.ofSite {
			for len(known) > 0 && cmp.Or(cmp.Compare(known[0].site, x.site), cmp.Compare(known[0].trigger, x.trigger)) < 0 {
				known = known[1:]
			}
			if len(known) == 0 || known[0] != x {
				rules[ruleKey{x.trigger, x.site}] = true
			}
		}
		for _, r := range m.every {
			if !slices.Contains(old.every, r) {
				rules[ruleKey{r.trigger, 0}] = true
			}
		}
		if len(rules) > 0 {
			changed[c] = rules
		}
	}
	return changed
}

// uncovered returns the goals that a trigger of all goals has taken over
// because their own trigger, which they had before, is gone, each with the
// second up to which rows are the own trigger's.
func (p *plan) uncovered(own map[ownKey]int64) map[stateKey]int64 {
	taken := map[stateKey]int64{}
	for key, since := range own {
		if p.own[key] || key.kind != event.GoalCompleted {
			continue
		}
		g, exists := p.view.Goal(key.goal)
		if !exists {
			continue
		}
		for _, t := range p.view.TriggersOf(key.webhook) {
			if t.Type == key.kind && t.GoalID == 0 {
				taken[stateKey{t.ID, g.SiteID, g.ID}] = since
			}
		}
	}
	return taken
}

// untilNow returns the goals that had a trigger of their own until this tick.
func (p *plan) untilNow() map[ownKey]int64 {
	own := make(map[ownKey]int64, len(p.own))
	for key := range p.own {
		own[key] = math.MaxInt64
	}
	return own
}

// own returns the goals that had a trigger of their own beside one for all
// goals when they were last counted, which may have gone while nobody looked,
// and the last second that was counted.
func (m *memory) own() map[ownKey]int64 {
	own := map[ownKey]int64{}
	for key, s := range m.goals {
		if n := len(s.value.Counted); s.value.Own != 0 && n > 0 {
			k := ownKey{s.value.Own, event.GoalCompleted, key.goal}
			own[k] = max(own[k], s.value.Counted[n-1].at())
		}
	}
	return own
}
