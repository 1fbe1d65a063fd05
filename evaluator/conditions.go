package evaluator

import (
	"context"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/evaluator/stats"
)

// candidate is a rule on a subject that may change its state.
type candidate struct {
	rule  rule
	of    subject
	goal  config.Goal // Of a rule about a goal.
	value int
	from  int64 // Where counting begins for it, Unix seconds, inclusive.
	// mayFire is observation.mayFire.
	mayFire bool
}

func (x candidate) key() stateKey { return stateKey{x.rule.trigger, x.of.site, x.of.goal.ID} }

// verdict is what evaluating a class came to.
type verdict struct {
	*draft
	// left: some were left for the next tick, since a tick asks only so much.
	left bool
}

// evaluate evaluates one class; only, if not nil, the rules in it.
func (t *tick) evaluate(ctx context.Context, c class, only map[ruleKey]bool) (verdict, error) {
	var candidates []candidate
	var left bool
	var err error
	if c.kind == event.GoalThreshold {
		candidates, left, err = t.goalCandidates(ctx, c, only)
	} else {
		candidates, left, err = t.trafficCandidates(ctx, c, only)
	}
	if err != nil {
		return verdict{}, err
	}
	d := newDraft()
	var fired []traced
	for _, x := range candidates {
		key := x.key()
		before := t.memory.conditions[key].value
		if before.Episode == nil && !(x.mayFire && x.rule.holds(x.value)) {
			continue
		}
		after, firings := next(before, x.rule, x.of, observation{x.value, x.mayFire}, t.now)
		d.setCondition(t.memory, key, before, after)
		for _, f := range firings {
			fired = append(fired, traced{key, f, x})
		}
	}
	return verdict{d, left}, t.tell(ctx, d, fired)
}

// traced is a firing with what its lists need.
type traced struct {
	key    stateKey
	firing firing
	of     candidate
}

// tell writes the deliveries of firings. Sources and pages are asked for what
// fired only, for all of it together.
func (t *tick) tell(ctx context.Context, d *draft, fired []traced) error {
	from := map[int64]int64{} // Of two triggers on one site the shorter window shows.
	var selections []stats.Selection
	for _, f := range fired {
		switch {
		case f.firing.ended:
		case f.firing.kind == event.TrafficSpike:
			from[f.key.site] = max(from[f.key.site], f.of.from)
		case f.firing.kind == event.GoalThreshold:
			selections = append(selections, stats.Selection{Goal: f.of.goal, From: f.of.from, To: t.now})
		}
	}
	tops, err := t.stats.Top(ctx, from)
	if err != nil {
		return err
	}
	summaries, err := t.stats.Summaries(ctx, selections)
	if err != nil {
		return err
	}
	for _, f := range fired {
		var l lists
		switch {
		case f.firing.ended:
		case f.firing.kind == event.TrafficSpike:
			l.sources, l.pages = tops[f.key.site].Sources, tops[f.key.site].Pages
		case f.firing.kind == event.GoalThreshold:
			l.sources, l.visitors = summaries[0].Sources, summaries[0].Visitors
			summaries = summaries[1:]
		}
		n, ok, err := t.writer.condition(f.key, f.firing, l)
		if err != nil {
			return err
		}
		if ok {
			d.deliveries = append(d.deliveries, n)
		}
	}
	return nil
}

// setCondition notes a state that has changed. A trigger that has never fired
// and whose condition does not hold needs no row.
func (d *draft) setCondition(m *memory, key stateKey, before, after conditionState) {
	switch {
	case after.Episode == nil && after.Fired == 0:
		if m.conditions[key].version != 0 {
			d.removed[key] = true
		}
	case !sameCondition(before, after):
		d.conditions[key] = after
	}
}

func sameCondition(a, b conditionState) bool {
	if (a.Episode == nil) != (b.Episode == nil) {
		return false
	}
	if a.Episode != nil && *a.Episode != *b.Episode {
		return false
	}
	a.Episode, b.Episode = nil, nil
	return a == b
}

// closings ends the episodes of triggers that no longer apply: deleted,
// disabled, paused, of another type, without a threshold, without their goal or
// their site. It needs no answer of ClickHouse.
func (t *tick) closings(ctx context.Context) (*draft, error) {
	d := newDraft()
	var fired []traced
	for key := range t.memory.open {
		r, applies := t.plan.rule(key)
		if applies && r.kind != event.GoalCompleted {
			continue
		}
		before := t.memory.conditions[key].value
		after, firings := end(before, t.reasonOfEnd(key))
		if d.setCondition(t.memory, key, before, after); applies {
			// The key is that of the trigger's new type from now on.
			delete(d.conditions, key)
			d.removed[key] = true
		}
		for _, f := range firings {
			fired = append(fired, traced{key: key, firing: f})
		}
	}
	return d, t.tell(ctx, d, fired)
}

// reasonOfEnd tells why a rule applies no longer.
func (t *tick) reasonOfEnd(key stateKey) event.Reason {
	_, trigger := t.plan.view.Trigger(key.trigger)
	_, site := t.plan.view.Site(key.site)
	_, goal := t.plan.view.Goal(key.goal)
	if !trigger || !site || (key.goal != 0 && !goal) {
		return event.Removed
	}
	return event.Changed
}
