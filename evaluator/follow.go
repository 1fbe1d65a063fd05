package evaluator

import (
	"cmp"
	"maps"
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
		maps.Copy(e.taken, e.plan.uncovered(before))
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

// uncovered returns the goals that a trigger of all goals has taken over since
// the plan before, because their own trigger is gone.
func (p *plan) uncovered(before *plan) map[stateKey]bool {
	taken := map[stateKey]bool{}
	for key := range before.own {
		if p.own[key] || key.kind != event.GoalCompleted {
			continue
		}
		g, exists := p.view.Goal(key.goal)
		if !exists {
			continue
		}
		for _, t := range p.view.TriggersOf(key.webhook) {
			if t.Type == key.kind && t.GoalID == 0 {
				taken[stateKey{t.ID, g.SiteID, g.ID}] = true
			}
		}
	}
	return taken
}
