package evaluator

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"
	_ "time/tzdata" // Containers often lack the time zones of sites.

	"plausible-webhooks/evaluator/stats"
)

// day is a calendar day of a site. Unix seconds, both inclusive.
type day struct{ first, last int64 }

// dayOf returns the day of a moment in a site's time zone; an unknown one is
// read as UTC, as in Plausible where it fails to load.
func dayOf(at int64, timezone string) day {
	zone, err := time.LoadLocation(timezone)
	if err != nil {
		zone = time.UTC
	}
	year, month, date := time.Unix(at, 0).In(zone).Date()
	return day{
		first: time.Date(year, month, date, 0, 0, 0, 0, zone).Unix(),
		last:  time.Date(year, month, date+1, 0, 0, 0, 0, zone).Unix() - 1,
	}
}

// outdate notes the days on which new rows have reached a scroll goal: rows
// repeat as a visitor reads on, so that only visitors can be counted, and of a
// whole day. It changes nothing that s refers to.
func outdate(s goalState, fresh []second, timezone string) goalState {
	if len(fresh) == 0 {
		return s
	}
	s.Stale = maps.Clone(s.Stale)
	if s.Stale == nil {
		s.Stale = map[int64]tally{}
	}
	for _, f := range fresh {
		first := dayOf(f.at(), timezone).first
		s.Stale[first] = s.Stale[first].add(tally{int(f.rows()), f.at(), f.at()})
	}
	return s
}

// staleDay is a day of a scroll goal that is to be counted.
type staleDay struct {
	key  stateKey
	goal *boundGoal
	r    rule
	day  day
	from int64 // Where counting begins, Unix seconds, inclusive.
	when tally // The new rows.
}

// reached counts the visitors who have reached scroll goals on the days with
// new rows; those that are more than before have newly reached them. Given what
// the tick has counted before.
func (t *tick) reached(ctx context.Context, so *draft) (*draft, error) {
	d := newDraft()
	stale := maps.Clone(t.memory.stale)
	for key, s := range so.goals {
		if len(s.Stale) > 0 {
			stale[key] = true
		}
	}
	var days []staleDay
	for key := range stale {
		g, r := t.plan.bound(key)
		state := so.goal(t.memory, key)
		if g == nil || state.Start != r.start {
			continue
		}
		site, _ := t.plan.view.Site(key.site)
		from := max(max(r.start, t.since(key.goal), state.Since)+1, unixSeconds(site.NativeStatsStartAt))
		for first, when := range state.Stale {
			days = append(days, staleDay{key, g, r, dayOf(first, site.Timezone), from, when})
		}
	}
	if len(days) == 0 {
		return d, nil
	}
	// Those whose rows have waited longest, should it be too much.
	slices.SortFunc(days, func(a, b staleDay) int {
		return cmp.Or(cmp.Compare(a.when.To, b.when.To), cmp.Compare(a.key.goal, b.key.goal), cmp.Compare(a.key.trigger, b.key.trigger))
	})
	days = days[:min(len(days), stats.FewSelections)]
	var selections []stats.Selection
	for _, x := range days {
		selections = append(selections, stats.Selection{Goal: x.goal.Goal, From: max(x.day.first, x.from), To: min(x.day.last, t.now)})
	}
	summaries, err := t.stats.Summaries(ctx, selections)
	if err != nil {
		return nil, err
	}
	changed := map[stateKey]bool{}
	for i, x := range days {
		state := so.goal(t.memory, x.key)
		if changed[x.key] {
			state = d.goals[x.key]
		}
		d.goals[x.key] = recounted(rebased(state, x.from), x.day.first, summaries[i].Visitors)
		changed[x.key] = true
	}
	through := t.memory.progressTo(so)
	for key := range changed {
		site, _ := t.plan.view.Site(key.site)
		maps.DeleteFunc(d.goals[key].Reached, func(first int64, _ int) bool {
			_, again := d.goals[key].Stale[first]
			return !again && dayOf(first, site.Timezone).last <= through
		})
	}
	return d, t.tellGoals(ctx, d, changed)
}

// rebased forgets the visitors of days that are counted from a later moment
// than they were: after "reset stats", or with another definition of the goal,
// whoever reaches it has newly reached it. It changes nothing that s refers to.
func rebased(s goalState, from int64) goalState {
	if s.ReachedFrom != 0 && s.ReachedFrom != from {
		s.Reached = maps.Clone(s.Reached)
		maps.DeleteFunc(s.Reached, func(first int64, _ int) bool { return first < from })
	}
	s.ReachedFrom = from
	return s
}

// recounted returns the state after a day was counted. It changes nothing that
// s refers to.
func recounted(s goalState, first int64, visitors int) goalState {
	when := s.Stale[first]
	s.Stale, s.Reached = maps.Clone(s.Stale), maps.Clone(s.Reached)
	delete(s.Stale, first)
	if s.Reached == nil {
		s.Reached = map[int64]int{}
	}
	if newly := visitors - s.Reached[first]; newly > 0 {
		s.Waiting = s.Waiting.add(tally{newly, when.From, when.To})
	}
	s.Reached[first] = visitors
	return s
}
