package evaluator

import (
	"slices"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
)

// The defaults of deploy/REFERENCE.md section 3, in seconds.
const (
	defaultSpikeWindow   = 300
	defaultDropWindow    = 43200
	defaultCooldown      = 43200
	defaultChatCooldown  = 300 // Of goals, where people read along.
	quietSeconds         = 7 * 86400
	evaluationsPerWindow = 100
)

// class is all rules that one query of traffic answers.
type class struct {
	kind   event.Type
	window int // Seconds.
}

// every is how often the class is evaluated, in seconds.
func (c class) every(poll int64) int64 { return max(poll, int64(c.window)/evaluationsPerWindow) }

// members are the rules of a class.
type members struct {
	ofSite map[int64][]*rule
	every  []*rule // Of instance-wide webhooks, with a threshold of their own.
}

type ruleKey struct{ trigger, site int64 }

// plan is what a view asks to evaluate.
type plan struct {
	view    *config.View
	traffic map[ruleKey]*rule // Site zero: every site.
	classes map[class]*members
	goals   *goalIndex
	// covered names, for each trigger of all goals, those that have a trigger
	// of their own on its webhook.
	covered map[int64]map[int64]bool
}

// newPlan derives what is to be evaluated: triggers that are enabled, on
// webhooks that no person has paused, of sites that exist. previous, if not
// nil, lends its compiled patterns.
func newPlan(view *config.View, previous *plan) *plan {
	p := &plan{
		view:    view,
		traffic: map[ruleKey]*rule{},
		classes: map[class]*members{},
		goals:   newGoalIndex(),
		covered: map[int64]map[int64]bool{},
	}
	if previous != nil {
		p.goals.patterns = previous.goals.patterns
	}
	for _, w := range view.Webhooks() {
		if w.Paused() {
			continue
		}
		if _, exists := view.Site(w.SiteID); !exists && !w.InstanceWide() {
			continue
		}
		for _, t := range view.TriggersOf(w.ID) {
			switch {
			case !t.Enabled:
			case t.Type == event.GoalCompleted:
				p.addGoals(w, t)
			case t.Type == event.TrafficSpike, t.Type == event.TrafficDrop:
				p.addTraffic(w, t)
			}
		}
	}
	p.goals.finish()
	return p
}

func newRule(w config.Webhook, t config.Trigger) rule {
	r := rule{
		trigger: t.ID, webhook: w.ID, site: w.SiteID, kind: t.Type,
		threshold: t.Threshold, window: t.WindowSeconds, cooldown: defaultCooldown,
		repeat: t.Repeat, recovery: t.NotifyRecovery, start: unixSeconds(t.StartedAt(w)),
	}
	switch {
	case t.Type == event.GoalCompleted:
		r.threshold, r.window, r.cooldown = 0, 0, 0
		if w.Format != event.Standard {
			r.cooldown = defaultChatCooldown
		}
	case r.window != 0:
	case t.Type == event.TrafficDrop:
		r.window = defaultDropWindow
	default:
		r.window = defaultSpikeWindow
	}
	if t.CooldownSeconds != nil {
		r.cooldown = *t.CooldownSeconds
	}
	return r
}

// addTraffic adds the rules of a traffic trigger. One without a threshold
// takes that of each site's own notification, and applies to no other site.
func (p *plan) addTraffic(w config.Webhook, t config.Trigger) {
	r := newRule(w, t)
	if r.threshold > 0 {
		p.addRule(r)
		return
	}
	kind := config.NotifySpike
	if t.Type == event.TrafficDrop {
		kind = config.NotifyDrop
	}
	if !w.InstanceWide() {
		if n, ok := p.view.Notification(w.SiteID, kind); ok {
			r.threshold = n.Threshold
			p.addRule(r)
		}
		return
	}
	for n := range p.view.Notifications() {
		if _, exists := p.view.Site(n.SiteID); exists && n.Type == kind {
			r.site, r.threshold = n.SiteID, n.Threshold
			p.addRule(r)
		}
	}
}

func (p *plan) addRule(r rule) {
	c := class{r.kind, r.window}
	m := p.classes[c]
	if m == nil {
		m = &members{ofSite: map[int64][]*rule{}}
		p.classes[c] = m
	}
	p.traffic[ruleKey{r.trigger, r.site}] = &r
	if r.site == 0 {
		m.every = append(m.every, &r)
	} else {
		m.ofSite[r.site] = append(m.ofSite[r.site], &r)
	}
}

// addGoals binds a trigger to its goal, or to every goal that has no trigger
// of its own on the webhook, be that one enabled or not.
func (p *plan) addGoals(w config.Webhook, t config.Trigger) {
	r := newRule(w, t)
	if t.GoalID != 0 {
		if g, ok := p.view.Goal(t.GoalID); ok {
			p.bind(&r, g)
		}
		return
	}
	covered := map[int64]bool{}
	for _, other := range p.view.TriggersOf(w.ID) {
		if other.Type == event.GoalCompleted && other.GoalID != 0 {
			covered[other.GoalID] = true
		}
	}
	p.covered[t.ID] = covered
	goals := slices.Values(p.view.GoalsOf(w.SiteID))
	if w.InstanceWide() {
		goals = p.view.Goals()
	}
	for g := range goals {
		if !covered[g.ID] {
			p.bind(&r, g)
		}
	}
}

func (p *plan) bind(r *rule, g config.Goal) {
	if r.site != 0 && r.site != g.SiteID {
		return // A goal of another site: the trigger is broken and never fires.
	}
	if _, exists := p.view.Site(g.SiteID); exists {
		p.goals.add(r, g)
	}
}

// rule returns the rule of a trigger on a site, if it applies there.
func (p *plan) rule(trigger, site int64) (*rule, bool) {
	if r, ok := p.traffic[ruleKey{trigger, site}]; ok {
		return r, true
	}
	if r, ok := p.traffic[ruleKey{trigger, 0}]; ok {
		_, exists := p.view.Site(site)
		return r, exists
	}
	return nil, false
}

// changedSince returns, by class, the traffic rules that are new or have other
// values than in the plan before.
func (p *plan) changedSince(before *plan) map[class]map[*rule]bool {
	changed := map[class]map[*rule]bool{}
	for key, r := range p.traffic {
		if before != nil {
			if old, ok := before.traffic[key]; ok && *old == *r {
				continue
			}
		}
		c := class{r.kind, r.window}
		if changed[c] == nil {
			changed[c] = map[*rule]bool{}
		}
		changed[c][r] = true
	}
	return changed
}

// uncovered returns the goals that a trigger of all goals has taken over since
// the plan before, because their own trigger is gone.
func (p *plan) uncovered(before *plan) map[stateKey]bool {
	taken := map[stateKey]bool{}
	for trigger, covered := range before.covered {
		now, still := p.covered[trigger]
		if !still {
			continue
		}
		for goal := range covered {
			if g, exists := p.goals.tracked[goal]; exists && !now[goal] {
				taken[stateKey{trigger, g.SiteID, goal}] = true
			}
		}
	}
	return taken
}
