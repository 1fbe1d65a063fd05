package evaluator

import (
	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/evaluator/stats"
)

// mostSites is how many sites' goals are kept ready: those of the sites with
// traffic are used at each tick, but not all of a hundred thousand.
const mostSites = 20_000

// siteGoals are the goals of a site that triggers ask about, ready to match.
type siteGoals struct {
	matcher *stats.Matcher
	bound   map[int64]*boundGoal
}

// boundGoal is a goal with what is asked about it.
type boundGoal struct {
	config.Goal
	completed  []rule // Of goal.completed triggers.
	thresholds []rule // Of goal.threshold triggers.
}

// goalsOf returns the goals of a site.
func (p *plan) goalsOf(site int64) *siteGoals {
	if known := p.bySite[site]; known != nil {
		return known
	}
	if len(p.bySite) >= mostSites {
		clear(p.bySite)
	}
	s := &siteGoals{bound: map[int64]*boundGoal{}}
	p.bySite[site] = s
	var goals []config.Goal
	if _, exists := p.view.Site(site); exists {
		goals = p.view.GoalsOf(site)
		for _, w := range p.view.WebhooksOf(site) {
			if p.applies(w) {
				s.bind(p, w, goals)
			}
		}
		for _, w := range p.instance {
			s.bind(p, w, goals)
		}
	}
	var asked []config.Goal
	for _, g := range goals {
		if s.bound[g.ID] != nil {
			asked = append(asked, g)
		}
	}
	s.matcher = stats.NewMatcher(asked)
	return s
}

func (s *siteGoals) bind(p *plan, w config.Webhook, goals []config.Goal) {
	for _, t := range p.goalTriggers(w) {
		for _, g := range goals {
			if !p.asks(w, t, g) {
				continue
			}
			b := s.bound[g.ID]
			if b == nil {
				b = &boundGoal{Goal: g}
				s.bound[g.ID] = b
			}
			r := newRule(w, t)
			r.site, r.goal = g.SiteID, g.ID
			if t.Type == event.GoalCompleted {
				b.completed = append(b.completed, r)
			} else {
				b.thresholds = append(b.thresholds, r)
			}
		}
	}
}

// goalTriggers returns the enabled triggers of a webhook that ask about goals.
func (p *plan) goalTriggers(w config.Webhook) []config.Trigger {
	var asking []config.Trigger
	for _, t := range p.view.TriggersOf(w.ID) {
		if t.Enabled && t.Type.AboutGoal() {
			asking = append(asking, t)
		}
	}
	return asking
}

// bound returns the goal of a state of goal.completed and its rule; nil where
// they no longer belong together.
func (p *plan) bound(key stateKey) (*boundGoal, rule) {
	g := p.goalsOf(key.site).bound[key.goal]
	if g == nil {
		return nil, rule{}
	}
	for _, r := range g.completed {
		if r.trigger == key.trigger {
			return g, r
		}
	}
	return nil, rule{}
}
