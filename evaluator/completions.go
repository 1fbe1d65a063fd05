package evaluator

import (
	"cmp"
	"context"
	"maps"
	"slices"

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

// clockStep is by how much ClickHouse's clock must have gone back for counting
// to begin anew at it, in seconds. Counting waits for a smaller step to pass,
// since then nothing can be counted twice; after a larger one (a machine that
// started with a wrong clock) it would wait for days.
const clockStep = 3600

// span returns what is to be read.
func (t *tick) span() (in span, back bool) {
	through := t.memory.progress.through
	if back = through > t.now+clockStep; back {
		through = t.now
	}
	in = span{after: max(through, t.now-t.lookback), through: t.now}
	in.sealed = max(in.after, t.now-t.late)
	return in, back
}

// completions counts what has newly completed goals and tells what is due.
func (t *tick) completions(ctx context.Context) (*draft, error) {
	d := newDraft()
	maps.Copy(d.definitions, t.defined)
	in, back := t.span()
	d.through, d.back = in.sealed, back
	t.sealed = stretch{after: in.after, through: in.sealed}
	if err := t.read(ctx, d, in); err != nil {
		return nil, err
	}
	for key := range t.memory.counted {
		counted := t.memory.goals[key].value.Counted
		if _, changed := d.goals[key]; !changed && counted[len(counted)-1].at() <= in.after {
			delete(t.memory.counted, key) // All sealed; nothing to look at again.
		}
	}
	changed := maps.Clone(t.memory.waiting)
	for key := range d.goals {
		changed[key] = true
	}
	return d, t.tellGoals(ctx, d, changed)
}

// longestChunk is how much time is counted at once: seconds of a whole day
// would not fit into a small memory.
const longestChunk = 3600

// read counts the rows of goals in a span, slice by slice and chunk by chunk.
func (t *tick) read(ctx context.Context, d *draft, in span) error {
	f := t.plan.completed
	chunk := func(after, through int64) span {
		return span{after, min(after+longestChunk, through), min(in.sealed, after+longestChunk, through)}
	}
	begin := max(in.after, t.plan.earliest)
	if begin >= in.through {
		t.count(d, nil, in)
		return nil
	}
	detail := t.detail(begin, in.through)
	for after := begin; after < in.through; after += t.slice {
		through := min(after+t.slice, in.through)
		now, seen := chunk(after, through), map[int64]map[int64]int{}
		advance := func(to int64) {
			for now.through < to {
				t.count(d, seen, now)
				now, seen = chunk(now.through, through), map[int64]map[int64]int{}
			}
		}
		if err := t.stats.Completions(ctx, f, after, through, detail, func(b *stats.Bucket) error {
			advance(b.Second)
			if b.Second <= in.sealed {
				t.sealed.rows += b.Rows
			}
			note := seenAt(seen, b)
			t.plan.goalsOf(b.Site).matcher.Match(f, b, func(goal int64) {
				t.buckets++
				if note(goal); t.audience != nil {
					t.audience.Add(goal, b)
				}
			})
			return nil
		}); err != nil {
			return err
		}
		advance(through)
		t.count(d, seen, now)
	}
	return nil
}

// count takes the rows of each goal by second, within a span, into the states.
func (t *tick) count(d *draft, seen map[int64]map[int64]int, in span) {
	for key, g := range t.counting(seen) {
		before := d.goal(t.memory, key)
		state := restart(before, g.r.start)
		if state.Own = 0; t.plan.own[ownKey{g.r.webhook, g.r.kind, g.ID}] {
			state.Own = g.r.webhook
		}
		if since, taken := t.taken[key]; taken {
			state.Since = max(state.Since, min(since, t.now))
			t.takeFrom(d, g.r.webhook, g.ID)
		}
		state, fresh, changed := count(state, inBounds(seen[g.ID], max(g.r.start, t.since(g.ID), state.Since), g.site), in)
		if g.Kind() == config.GoalScroll {
			state = outdate(state, fresh, g.site.Timezone) // Conversions are visitors, which ClickHouse counts.
		} else {
			state.Waiting = state.Waiting.add(total(fresh))
		}
		if changed || state.Start != before.Start || state.Since != before.Since {
			d.goals[key] = state
		}
	}
}

// askedGoal is a goal as one goal.completed trigger asks about it.
type askedGoal struct {
	*boundGoal
	r    rule
	site config.Site
}

// counting returns the states that the tick may change: of goals with rows,
// and those that remember rows, which may have gone.
func (t *tick) counting(seen map[int64]map[int64]int) map[stateKey]askedGoal {
	states := map[stateKey]askedGoal{}
	add := func(goal int64) {
		g, exists := t.plan.view.Goal(goal)
		if !exists {
			return
		}
		bound := t.plan.goalsOf(g.SiteID).bound[goal]
		if bound == nil {
			return
		}
		site, _ := t.plan.view.Site(g.SiteID)
		for _, r := range bound.completed {
			// A state that is still a condition's is closed first.
			if key := (stateKey{r.trigger, g.SiteID, goal}); !t.memory.open[key] {
				states[key] = askedGoal{bound, r, site}
			}
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

// takeFrom notes that a goal's own trigger of before is not taken over from
// again.
func (t *tick) takeFrom(d *draft, webhook, goal int64) {
	for key, s := range t.memory.goals {
		if key.goal == goal && s.value.Own == webhook {
			gone := d.goal(t.memory, key)
			gone.Own = 0
			d.goals[key] = gone
		}
	}
}

// inBounds leaves out the seconds up to and including since, and those before
// the site's statistics begin.
func inBounds(seen map[int64]int, since int64, site config.Site) map[int64]int {
	native := unixSeconds(site.NativeStatsStartAt)
	kept := maps.Clone(seen)
	maps.DeleteFunc(kept, func(at int64, _ int) bool { return at <= since || at < native })
	return kept
}

// dueGoal is what a trigger tells now of a goal.
type dueGoal struct {
	key   stateKey
	g     *boundGoal
	r     rule
	state goalState // Afterwards.
	tally
}

// tellGoals writes the deliveries of everything among the keys that waits and
// may be told; what has waited longest comes first, should it be too much.
func (t *tick) tellGoals(ctx context.Context, d *draft, among map[stateKey]bool) error {
	var due []dueGoal
	for key := range among {
		g, r := t.plan.bound(key)
		state := d.goal(t.memory, key)
		if g == nil || state.Start != r.start {
			continue // The trigger is off, or was: what waits is not caught up.
		}
		if released, told := release(state, r.cooldown, t.now); !told.IsZero() {
			due = append(due, dueGoal{key, g, r, released, told})
		}
	}
	slices.SortFunc(due, func(a, b dueGoal) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.key.goal, b.key.goal), cmp.Compare(a.key.trigger, b.key.trigger))
	})
	due = due[:affordable(len(due), func(i int) int { return due[i].Conversions })]
	summaries, err := t.summaries(ctx, due)
	if err != nil {
		return err
	}
	for i, x := range due {
		d.goals[x.key] = x.state
		n, ok, err := t.writer.goal(x.key, x.r, x.g.Goal, completion{x.tally, x.state.Firings, summaries[i]})
		if err != nil {
			return err
		}
		if ok {
			d.deliveries = append(d.deliveries, n)
		}
	}
	return nil
}
