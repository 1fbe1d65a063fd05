package evaluator

import (
	"cmp"
	"math"
	"slices"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/evaluator/stats"
)

// class is all rules of one kind and window; they share one question.
type class struct {
	kind   event.Type
	window int // Seconds.
}

const evaluationsPerWindow = 100

// every is how often the class is evaluated, in seconds.
func (c class) every(poll int64) int64 { return max(poll, int64(c.window)/evaluationsPerWindow) }

// member is one trigger of a class on one site. Everything else about it is
// derived from the view when it matters: there may be a million.
type member struct {
	site, trigger int64
	threshold     int32
	print         uint64
}

// members are the rules of a class.
type members struct {
	ofSite []member // Traffic triggers of one site, by site and trigger; goal triggers too.
	every  []rule   // Of instance-wide webhooks, for every site.
	filter *stats.Filter
}

// ruleKey names the rules of a trigger on a site; site zero: on every site.
type ruleKey struct{ trigger, site int64 }

// plan is what a view asks to evaluate. It is light: rules and the matching of
// goals are derived from the view, site by site, when rows are seen.
type plan struct {
	view      *config.View
	classes   map[class]*members
	completed *stats.Filter // Of the goals that goal.completed triggers ask about.
	earliest  int64         // The first second after which any of them counts.
	tracked   []int64       // Goals that any trigger asks about, by id.
	// own names the goals that have a trigger of their own on a webhook that
	// also has one for all goals.
	own      map[ownKey]bool
	instance []config.Webhook // Instance-wide, not paused.
	bySite   map[int64]*siteGoals
}

type ownKey struct {
	webhook int64
	kind    event.Type
	goal    int64
}

// newPlan derives what is to be evaluated: triggers that are enabled, on
// webhooks that no person has paused, of sites that exist.
func newPlan(view *config.View) *plan {
	p := &plan{
		view:      view,
		classes:   map[class]*members{},
		completed: stats.NewFilter(),
		earliest:  math.MaxInt64,
		own:       map[ownKey]bool{},
		bySite:    map[int64]*siteGoals{},
	}
	for _, w := range view.Webhooks() {
		if !p.applies(w) {
			continue
		}
		if w.InstanceWide() {
			p.instance = append(p.instance, w)
		}
		triggers := view.TriggersOf(w.ID)
		p.noteOwn(w, triggers)
		for _, t := range triggers {
			switch {
			case !t.Enabled:
			case t.Type == event.TrafficSpike, t.Type == event.TrafficDrop:
				p.addTraffic(w, t)
			case t.Type.AboutGoal():
				p.addGoals(w, t)
			}
		}
	}
	for _, m := range p.classes {
		slices.SortFunc(m.ofSite, func(a, b member) int {
			return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.trigger, b.trigger))
		})
	}
	slices.Sort(p.tracked)
	p.tracked = slices.Compact(p.tracked)
	return p
}

// applies reports whether the triggers of a webhook are evaluated.
func (p *plan) applies(w config.Webhook) bool {
	if w.Paused() {
		return false
	}
	_, exists := p.view.Site(w.SiteID)
	return exists || w.InstanceWide()
}

// noteOwn notes the goals that a trigger for all goals leaves to others, be
// those enabled or not.
func (p *plan) noteOwn(w config.Webhook, triggers []config.Trigger) {
	for _, all := range triggers {
		if !all.Type.AboutGoal() || all.GoalID != 0 {
			continue
		}
		for _, t := range triggers {
			if t.Type == all.Type && t.GoalID != 0 {
				p.own[ownKey{w.ID, t.Type, t.GoalID}] = true
			}
		}
	}
}

func (p *plan) members(c class) *members {
	m := p.classes[c]
	if m == nil {
		m = &members{filter: stats.NewFilter()}
		p.classes[c] = m
	}
	return m
}

// addTraffic adds the rules of a traffic trigger. One without a threshold
// takes that of each site's own notification, and applies to no other site.
func (p *plan) addTraffic(w config.Webhook, t config.Trigger) {
	r := newRule(w, t)
	m := p.members(class{r.kind, r.window})
	switch {
	case r.threshold > 0 && w.InstanceWide():
		m.every = append(m.every, r)
	case r.threshold > 0:
		m.add(r)
	case !w.InstanceWide():
		if n, ok := p.view.Notification(w.SiteID, notificationOf(r.kind)); ok {
			r.threshold = n.Threshold
			m.add(r)
		}
	default:
		for n := range p.view.Notifications() {
			if _, exists := p.view.Site(n.SiteID); exists && n.Type == notificationOf(r.kind) {
				r.site, r.threshold = n.SiteID, n.Threshold
				m.add(r)
			}
		}
	}
	if len(m.ofSite) == 0 && len(m.every) == 0 {
		delete(p.classes, class{r.kind, r.window})
	}
}

func (m *members) add(r rule) {
	m.ofSite = append(m.ofSite, member{r.site, r.trigger, int32(r.threshold), r.fingerprint()})
}

// on returns the members of a site.
func (m *members) on(site int64) []member {
	from, _ := slices.BinarySearchFunc(m.ofSite, site, func(x member, site int64) int { return cmp.Compare(x.site, site) })
	to := from
	for to < len(m.ofSite) && m.ofSite[to].site == site {
		to++
	}
	return m.ofSite[from:to]
}

// addGoals asks for the goals of a trigger: its own, or every one that has no
// trigger of its own on the webhook.
func (p *plan) addGoals(w config.Webhook, t config.Trigger) {
	r := newRule(w, t)
	filter := p.completed
	if t.Type == event.GoalThreshold {
		m := p.members(class{r.kind, r.window})
		filter = m.filter
		if w.InstanceWide() {
			m.every = append(m.every, r)
		} else {
			m.add(r)
		}
	}
	add := func(g config.Goal) {
		if _, exists := p.view.Site(g.SiteID); exists && p.asks(w, t, g) {
			filter.Add(&g)
			p.tracked = append(p.tracked, g.ID)
			if t.Type == event.GoalCompleted {
				p.earliest = min(p.earliest, r.start)
			}
		}
	}
	switch {
	case t.GoalID != 0:
		if g, ok := p.view.Goal(t.GoalID); ok {
			add(g)
		}
	case w.InstanceWide():
		for g := range p.view.Goals() {
			add(g)
		}
	default:
		for _, g := range p.view.GoalsOf(w.SiteID) {
			add(g)
		}
	}
}

// asks reports whether a trigger asks about a goal. A trigger whose goal is
// another site's is broken and never fires.
func (p *plan) asks(w config.Webhook, t config.Trigger, g config.Goal) bool {
	switch {
	case !w.InstanceWide() && w.SiteID != g.SiteID:
		return false
	case t.GoalID != 0:
		return t.GoalID == g.ID
	}
	return !p.own[ownKey{w.ID, t.Type, g.ID}]
}

// rule returns the rule of a state, if it applies still.
func (p *plan) rule(key stateKey) (rule, bool) {
	t, ok := p.view.Trigger(key.trigger)
	if !ok || !t.Enabled {
		return rule{}, false
	}
	w, ok := p.view.Webhook(t.WebhookID)
	if _, exists := p.view.Site(key.site); !ok || !exists || !p.applies(w) || (!w.InstanceWide() && w.SiteID != key.site) {
		return rule{}, false
	}
	r := newRule(w, t)
	r.site = key.site
	if t.Type.AboutGoal() {
		g, exists := p.view.Goal(key.goal)
		r.goal = key.goal
		return r, exists && g.SiteID == key.site && p.asks(w, t, g)
	}
	if key.goal != 0 {
		return rule{}, false
	}
	if r.threshold == 0 {
		n, ok := p.view.Notification(key.site, notificationOf(r.kind))
		r.threshold = n.Threshold
		return r, ok
	}
	return r, true
}
