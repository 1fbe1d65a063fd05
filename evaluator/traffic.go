package evaluator

import (
	"context"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/evaluator/stats"
)

// candidate is a rule on a site that may change its state.
type candidate struct {
	rule  *rule
	site  config.Site
	value int
	from  int64 // Where counting begins for it, Unix seconds, inclusive.
}

// traffic evaluates one class; only, if not nil, the rules in it.
func (t *tick) traffic(ctx context.Context, c class, only map[*rule]bool) (*draft, error) {
	m := t.plan.classes[c]
	from := t.now - int64(c.window)
	values, err := t.stats.Traffic(ctx, from, m.asked(only))
	if err != nil {
		return nil, err
	}
	var candidates []candidate
	t.candidates(c, m, values, func(r *rule, site config.Site, value int) {
		if only == nil || only[r] {
			candidates = append(candidates, candidate{r, site, value, t.countsFrom(c, r, site, from)})
		}
	})
	if err := t.recount(ctx, c, candidates, from); err != nil {
		return nil, err
	}
	lively := map[int64]bool{}
	if c.kind == event.TrafficDrop {
		if lively, err = t.lively(ctx, c, candidates, values); err != nil {
			return nil, err
		}
	}
	return t.judge(ctx, c, candidates, lively)
}

// asked is the list of sites worth sending; nil: every site.
func (m *members) asked(only map[*rule]bool) []int64 {
	sites := map[int64]bool{}
	add := func(r *rule) {
		if only == nil || only[r] {
			sites[r.site] = true
		}
	}
	for _, rules := range m.ofSite {
		for _, r := range rules {
			add(r)
		}
	}
	for _, r := range m.every {
		add(r)
	}
	if sites[0] {
		return nil
	}
	return fewOf(sites)
}

// candidates yields what may begin, go on or end: for spikes only sites with
// enough visitors and running episodes, for drops every site.
func (t *tick) candidates(c class, m *members, values map[int64]stats.Traffic, yield func(*rule, config.Site, int)) {
	if c.kind == event.TrafficDrop {
		for id, rules := range m.ofSite {
			site, _ := t.plan.view.Site(id)
			for _, r := range rules {
				yield(r, site, values[id].Visitors)
			}
		}
		for _, r := range m.every {
			for site := range t.plan.view.Sites() {
				yield(r, site, values[site.ID].Visitors)
			}
		}
		return
	}
	for id, v := range values {
		site, exists := t.plan.view.Site(id)
		if !exists {
			continue // Its rows stay in ClickHouse when a site is deleted.
		}
		for _, rules := range [][]*rule{m.ofSite[id], m.every} {
			for _, r := range rules {
				if v.Visitors >= r.threshold && !t.memory.open[stateKey{trigger: r.trigger, site: id}] {
					yield(r, site, v.Visitors)
				}
			}
		}
	}
	for key := range t.memory.open {
		r, applies := t.plan.rule(key.trigger, key.site)
		if applies && r.kind == c.kind && r.window == c.window {
			site, _ := t.plan.view.Site(key.site)
			yield(r, site, values[key.site].Visitors)
		}
	}
}

// countsFrom is where counting begins for a rule: "reset stats" is a lower
// bound of everything, the trigger's start one of spikes only, for a window
// cut there would always look like a drop.
func (t *tick) countsFrom(c class, r *rule, site config.Site, from int64) int64 {
	from = max(from, unixSeconds(site.NativeStatsStartAt))
	if c.kind == event.TrafficSpike {
		from = max(from, r.start+1)
	}
	return from
}

// recount asks again for those few whose window is cut and for whom the whole
// window is enough: in a part of it there can only be fewer visitors.
func (t *tick) recount(ctx context.Context, c class, candidates []candidate, from int64) error {
	var cut []*candidate
	var selections []stats.Selection
	for i := range candidates {
		if x := &candidates[i]; x.from > from && x.value >= x.rule.threshold {
			if c.kind == event.TrafficDrop && !t.memory.open[x.key()] {
				continue // Neither whole nor cut would it begin an episode.
			}
			cut = append(cut, x)
			selections = append(selections, stats.Selection{Site: x.site.ID, From: x.from})
		}
	}
	visitors, err := t.stats.Visitors(ctx, selections)
	if err != nil {
		return err
	}
	for i, x := range cut {
		x.value = visitors[i]
	}
	return nil
}

func (x candidate) key() stateKey { return stateKey{trigger: x.rule.trigger, site: x.site.ID} }

// judge lets the transitions decide.
func (t *tick) judge(ctx context.Context, c class, candidates []candidate, lively map[int64]bool) (*draft, error) {
	d := newDraft()
	var fired []traced
	for _, x := range candidates {
		key := x.key()
		before := t.memory.traffic[key].value
		seen := observation{value: x.value, holds: x.value >= x.rule.threshold, mayFire: true}
		if c.kind == event.TrafficDrop {
			seen.holds, seen.mayFire = x.value < x.rule.threshold, lively[x.site.ID]
		}
		if before.Episode == nil && !(seen.holds && seen.mayFire) {
			continue
		}
		after, firings := next(before, *x.rule, x.site.ID, x.site.Domain, seen, t.now)
		d.setTraffic(t.memory, key, before, after)
		for _, f := range firings {
			fired = append(fired, traced{key, f, x.from})
		}
	}
	return d, t.tell(ctx, d, fired)
}

// traced is a firing with what its lists need.
type traced struct {
	key    stateKey
	firing firing
	from   int64 // Of its window, Unix seconds.
}

// tell writes the deliveries of firings. Sources and pages are asked for what
// fired only, for all of it together.
func (t *tick) tell(ctx context.Context, d *draft, fired []traced) error {
	var selections []stats.Selection
	for _, f := range fired {
		if f.firing.listed() {
			selections = append(selections, stats.Selection{Site: f.key.site, From: f.from})
		}
	}
	sources, err := t.stats.TopSources(ctx, selections)
	if err != nil {
		return err
	}
	pages, err := t.stats.TopPages(ctx, selections)
	if err != nil {
		return err
	}
	for _, f := range fired {
		var topSources, topPages []stats.Count
		if f.firing.listed() {
			topSources, topPages = sources[0], pages[0]
			sources, pages = sources[1:], pages[1:]
		}
		n, ok, err := t.writer.traffic(f.key, f.firing, topSources, topPages)
		if err != nil {
			return err
		}
		if ok {
			d.deliveries = append(d.deliveries, n)
		}
	}
	return nil
}

func (f firing) listed() bool { return f.kind == event.TrafficSpike && !f.ended }

// setTraffic notes a state that has changed. A trigger that has never fired
// and whose condition does not hold needs no row.
func (d *draft) setTraffic(m *memory, key stateKey, before, after trafficState) {
	switch {
	case after.Episode == nil && after.Fired == 0:
		if m.traffic[key].version != 0 {
			d.removed[key] = true
		}
	case !sameTraffic(before, after):
		d.traffic[key] = after
	}
}

func sameTraffic(a, b trafficState) bool {
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
// disabled, paused, without a threshold, or without a site. It needs no answer
// of ClickHouse.
func (t *tick) closings(ctx context.Context) (*draft, error) {
	d := newDraft()
	var fired []traced
	for key := range t.memory.open {
		if _, applies := t.plan.rule(key.trigger, key.site); applies {
			continue
		}
		reason := event.Changed
		_, trigger := t.plan.view.Trigger(key.trigger)
		_, site := t.plan.view.Site(key.site)
		if !trigger || !site {
			reason = event.Removed
		}
		before := t.memory.traffic[key].value
		after, firings := end(before, reason)
		d.setTraffic(t.memory, key, before, after)
		for _, f := range firings {
			fired = append(fired, traced{key: key, firing: f})
		}
	}
	return d, t.tell(ctx, d, fired)
}
