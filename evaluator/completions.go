package evaluator

import (
	"context"
	"maps"

	"plausible-webhooks/config"
	"plausible-webhooks/evaluator/stats"
)

// One query of goals reads at most a slice. While ClickHouse cannot answer,
// slices become smaller, so that catching up a day does not fail for ever.
// Seconds.
const (
	longestSlice  = 86400
	shortestSlice = 900
)

// define brings the definitions of all tracked goals up to date.
func (t *tick) define() *draft {
	d := newDraft()
	for _, g := range t.plan.goals.tracked {
		key := stateKey{site: g.SiteID, goal: g.ID}
		before := t.memory.definitions[key].value
		after := define(before, g.Goal, t.now)
		g.since = after.Since
		if after != before {
			d.definitions[key] = after
		}
	}
	return d
}

// completions counts what has newly completed goals and tells what is due.
func (t *tick) completions(ctx context.Context) (*draft, error) {
	d := t.define()
	in := span{after: max(t.memory.progress.through, t.now-t.lookback), through: t.now}
	in.sealed = max(in.after, t.now-t.late)
	d.through = in.sealed
	seen, err := t.seen(ctx, in)
	if err != nil {
		return nil, err
	}
	var scrolled []scrolledTo
	for key, g := range t.counting(seen) {
		r := g.r
		before := t.memory.goals[key].value
		state := restart(before, r.start)
		if t.taken[key] {
			state.Since = t.now
		}
		state, fresh, changed := count(state, inBounds(seen[g.ID], max(r.start, g.since, state.Since), g.site), in)
		switch {
		case g.Kind() == config.GoalScroll && len(fresh) > 0:
			scrolled = append(scrolled, scrolledTo{key, g, state, fresh})
			continue // Conversions are visitors, which ClickHouse counts.
		case g.Kind() != config.GoalScroll:
			state.Waiting = state.Waiting.add(total(fresh))
		}
		if changed || state.Start != before.Start || state.Since != before.Since {
			d.goals[key] = state
		} else if last := len(before.Counted) - 1; last >= 0 && before.Counted[last].at() <= in.after {
			delete(t.memory.counted, key) // All sealed; nothing to look at again.
		}
	}
	if err := t.countScrolls(ctx, d, scrolled, in); err != nil {
		return nil, err
	}
	return d, t.tellGoals(ctx, d)
}

// seen returns the rows of each goal by second.
func (t *tick) seen(ctx context.Context, in span) (map[int64]map[int64]int, error) {
	seen := map[int64]map[int64]int{}
	goals := t.plan.goals
	for after := max(in.after, goals.earliest()); after < in.through; after += t.slice {
		through := min(after+t.slice, in.through)
		found := goals.matcher()
		note := func(b stats.Bucket) func(*trackedGoal) {
			return func(g *trackedGoal) {
				if seen[g.ID] == nil {
					seen[g.ID] = map[int64]int{}
				}
				seen[g.ID][b.Second] += b.Rows
			}
		}
		if len(goals.completions.Names) > 0 {
			q := goals.completions
			q.After, q.Through = after, through
			err := t.stats.Completions(ctx, q, func(b stats.Bucket) error {
				found.completed(b, note(b))
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
		if len(goals.scrolls) > 0 {
			q := goals.scrolled
			q.After, q.Through = after, through
			err := t.stats.Scrolls(ctx, q, func(b stats.Bucket) error {
				found.scrolledTo(b, note(b))
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return seen, nil
}

// boundGoal is a goal as one trigger asks about it.
type boundGoal struct {
	*trackedGoal
	r    *rule
	site config.Site
}

// counting returns the states that the tick may change: of goals with rows,
// and those that remember rows, which may have gone.
func (t *tick) counting(seen map[int64]map[int64]int) map[stateKey]boundGoal {
	states := map[stateKey]boundGoal{}
	add := func(goal int64) {
		g := t.plan.goals.tracked[goal]
		if g == nil {
			return
		}
		site, _ := t.plan.view.Site(g.SiteID)
		for _, r := range g.rules {
			states[stateKey{r.trigger, g.SiteID, g.ID}] = boundGoal{g, r, site}
		}
	}
	for goal := range seen {
		add(goal)
	}
	for key := range t.memory.counted {
		add(key.goal)
	}
	for key := range t.taken {
		add(key.goal)
	}
	return states
}

// inBounds leaves out the seconds up to and including since, and those before
// the site's statistics begin.
func inBounds(seen map[int64]int, since int64, site config.Site) map[int64]int {
	native := unixSeconds(site.NativeStatsStartAt)
	kept := maps.Clone(seen)
	maps.DeleteFunc(kept, func(at int64, _ int) bool { return at <= since || at < native })
	return kept
}

// tellGoals writes the deliveries of everything that waits and may be told.
func (t *tick) tellGoals(ctx context.Context, d *draft) error {
	waiting := maps.Clone(t.memory.waiting)
	for key := range d.goals {
		waiting[key] = true
	}
	var due []dueGoal
	var selections []stats.Selection
	for key := range waiting {
		g, r := t.plan.goals.bound(key)
		state, changed := d.goals[key]
		if !changed {
			state = t.memory.goals[key].value
		}
		if g == nil || state.Start != r.start {
			continue // The trigger is off, or was: what waits is not caught up.
		}
		released, told := release(state, r.cooldown, t.now)
		if told.IsZero() {
			continue
		}
		d.goals[key] = released
		due = append(due, dueGoal{key, g, r, told, released.Firings})
		selections = append(selections, stats.Selection{Site: g.SiteID, From: told.From, To: told.To, Goal: &g.Goal})
	}
	visitors, err := t.stats.Visitors(ctx, selections)
	if err != nil {
		return err
	}
	sources, err := t.stats.TopSources(ctx, selections)
	if err != nil {
		return err
	}
	for i, x := range due {
		n, ok, err := t.writer.goal(x.key, x.r, x.g.Goal, completion{x.tally, x.number, visitors[i], sources[i]})
		if err != nil {
			return err
		}
		if ok {
			d.deliveries = append(d.deliveries, n)
		}
	}
	return nil
}

// dueGoal is what a trigger tells now of a goal.
type dueGoal struct {
	key stateKey
	g   *trackedGoal
	r   *rule
	tally
	number int64
}

// bound returns the goal and the rule of a state, nil where they no longer
// belong together.
func (x *goalIndex) bound(key stateKey) (*trackedGoal, *rule) {
	g := x.tracked[key.goal]
	if g == nil || g.SiteID != key.site {
		return nil, nil
	}
	for _, r := range g.rules {
		if r.trigger == key.trigger {
			return g, r
		}
	}
	return nil, nil
}
