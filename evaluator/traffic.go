package evaluator

import (
	"context"
	"maps"
	"slices"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/evaluator/stats"
)

// mostRecounted is of how many sites a tick asks for windows of their own; the
// others wait for the next.
const mostRecounted = 1000

// trafficCandidates returns the rules of a class of traffic that may begin, go
// on with or end an episode.
func (t *tick) trafficCandidates(ctx context.Context, c class, only map[ruleKey]bool) (candidates []candidate, left bool, err error) {
	m := t.plan.classes[c]
	from := t.now - int64(c.window)
	values, err := t.ahead.take(ctx, c)
	if err != nil {
		return nil, false, err
	}
	t.onTraffic(c, m, values, func(r rule, site config.Site, value int) {
		if only == nil || only[ruleKey{r.trigger, site.ID}] || only[ruleKey{r.trigger, 0}] {
			candidates = append(candidates, candidate{
				rule: r, of: subject{site: site.ID, domain: site.Domain}, value: value, from: t.countsFrom(c, r, site, from), mayFire: true,
			})
		}
	})
	if candidates, left, err = t.recount(ctx, c, candidates, from); err != nil || c.kind != event.TrafficDrop {
		return candidates, left, err
	}
	lively, err := t.lively(ctx, c, candidates, values)
	for i := range candidates {
		candidates[i].mayFire = lively[candidates[i].of.site]
	}
	return candidates, left, err
}

// asked is the list of sites worth sending; nil: every site.
func (m *members) asked(only map[ruleKey]bool) []int64 {
	sites := map[int64]bool{}
	if only == nil {
		for i := 0; i < len(m.ofSite) && len(sites) <= mostRecounted; i++ {
			sites[m.ofSite[i].site] = true
		}
		if len(m.every) > 0 {
			return nil
		}
	}
	for key := range only {
		sites[key.site] = true
	}
	if sites[0] {
		return nil
	}
	return fewOf(sites)
}

// onTraffic yields what may begin, go on or end: running episodes, and where
// there is none the rules whose condition holds. Of drops that is looked at
// for every site, of spikes for those with visitors.
func (t *tick) onTraffic(c class, m *members, values map[int64]stats.Traffic, yield func(rule, config.Site, int)) {
	begin := func(trigger, site int64) {
		key := stateKey{trigger: trigger, site: site}
		if r, applies := t.plan.rule(key); applies && !t.memory.open[key] {
			of, _ := t.plan.view.Site(site)
			yield(r, of, values[site].Visitors)
		}
	}
	if c.kind == event.TrafficDrop {
		for _, x := range m.ofSite {
			if values[x.site].Visitors < int(x.threshold) {
				begin(x.trigger, x.site)
			}
		}
		for _, r := range m.every {
			for site := range t.plan.view.Sites() {
				if values[site.ID].Visitors < r.threshold {
					begin(r.trigger, site.ID)
				}
			}
		}
	} else {
		for site, v := range values {
			for _, x := range m.on(site) {
				if v.Visitors >= int(x.threshold) {
					begin(x.trigger, site)
				}
			}
			for _, r := range m.every {
				if v.Visitors >= r.threshold {
					begin(r.trigger, site)
				}
			}
		}
	}
	t.onOpen(c, func(r rule, key stateKey) {
		site, _ := t.plan.view.Site(key.site)
		yield(r, site, values[key.site].Visitors)
	})
}

// onOpen yields the rules of a class that have an episode.
func (t *tick) onOpen(c class, yield func(rule, stateKey)) {
	for key := range t.memory.open {
		if r, applies := t.plan.rule(key); applies && r.kind == c.kind && r.window == c.window {
			yield(r, key)
		}
	}
}

// countsFrom is where counting begins for a rule: "reset stats" is a lower
// bound of everything, the trigger's start one of all but drops, for a window
// cut there would always look like a drop.
func (t *tick) countsFrom(c class, r rule, site config.Site, from int64) int64 {
	from = max(from, unixSeconds(site.NativeStatsStartAt))
	if c.kind != event.TrafficDrop {
		from = max(from, r.start+1)
	}
	return from
}

// recount asks again for those few whose window is cut and for whom the whole
// window is enough: in a part of it there can only be fewer visitors.
func (t *tick) recount(ctx context.Context, c class, candidates []candidate, from int64) (judged []candidate, left bool, err error) {
	sites := map[int64]bool{}
	cut := func(x candidate) bool {
		return x.from > from && x.value >= x.rule.threshold && (c.kind != event.TrafficDrop || t.memory.open[x.key()])
	}
	for _, x := range candidates {
		switch {
		case !cut(x) || sites[x.of.site]:
		case len(sites) < mostRecounted:
			sites[x.of.site] = true
		default:
			left = true
		}
	}
	seen, err := t.stats.LastSeen(ctx, from, fewOf(sites))
	if err != nil {
		return nil, false, err
	}
	for _, x := range candidates {
		if cut(x) {
			if !sites[x.of.site] {
				continue
			}
			x.value = seen[x.of.site].Since(x.from)
		}
		judged = append(judged, x)
	}
	return judged, left, nil
}

// fewOf lists sites if the list is worth sending, and nil, which stands for
// every site, where it is not.
func fewOf(sites map[int64]bool) []int64 {
	return stats.Few(slices.AppendSeq(make([]int64, 0, len(sites)), maps.Keys(sites)))
}
