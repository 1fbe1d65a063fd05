package evaluator

import (
	"cmp"
	"context"
	"slices"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/evaluator/stats"
)

// goalCandidates returns the rules of a class of goal.threshold that may begin,
// go on with or end an episode.
func (t *tick) goalCandidates(ctx context.Context, c class, only map[ruleKey]bool) (candidates []candidate, left bool, err error) {
	m := t.plan.classes[c]
	from := t.now - int64(c.window)
	rows, err := t.rowsOfGoals(ctx, m.filter, from)
	if err != nil {
		return nil, false, err
	}
	t.onGoals(c, rows, func(r rule, g *boundGoal) {
		if only != nil && !only[ruleKey{r.trigger, g.SiteID}] && !only[ruleKey{r.trigger, 0}] {
			return
		}
		site, _ := t.plan.view.Site(g.SiteID)
		candidates = append(candidates, candidate{
			rule: r, of: subject{g.SiteID, site.Domain, event.Goal{ID: g.ID, Name: g.DisplayName, Kind: string(g.Kind())}},
			goal: g.Goal, value: rows[g.ID], from: t.countsFrom(c, r, site, from), mayFire: true,
		})
	})
	if candidates, left, err = t.recountGoals(ctx, candidates, from); err != nil {
		return nil, false, err
	}
	return t.countReached(ctx, candidates, left)
}

// rowsOfGoals counts the rows of goals since from (Unix seconds, inclusive).
func (t *tick) rowsOfGoals(ctx context.Context, f *stats.Filter, from int64) (map[int64]int, error) {
	rows := map[int64]int{}
	err := t.stats.Completions(ctx, f, from-1, t.now, stats.ByKind, func(b *stats.Bucket) error {
		t.plan.goalsOf(b.Site).matcher.Match(f, b, func(goal int64) { rows[goal] += b.Rows })
		return nil
	})
	return rows, err
}

// onGoals yields running episodes, and where there is none the rules whose
// condition holds. The start of a rule is that of its goal's definition, if
// that is younger.
func (t *tick) onGoals(c class, rows map[int64]int, yield func(rule, *boundGoal)) {
	since := func(r rule, goal int64) rule {
		r.start = max(r.start, t.since(goal))
		return r
	}
	for goal, n := range rows {
		g, _ := t.plan.view.Goal(goal)
		bound := t.plan.goalsOf(g.SiteID).bound[goal]
		if bound == nil {
			continue
		}
		for _, r := range bound.thresholds {
			key := stateKey{r.trigger, g.SiteID, goal}
			if r.window == c.window && n >= r.threshold && !t.memory.open[key] {
				yield(since(r, goal), bound)
			}
		}
	}
	t.onOpen(c, func(r rule, key stateKey) {
		if bound := t.plan.goalsOf(key.site).bound[key.goal]; bound != nil {
			yield(since(r, key.goal), bound)
		}
	})
}

// recountGoals asks again for those whose window is cut, as recount does.
func (t *tick) recountGoals(ctx context.Context, candidates []candidate, from int64) (judged []candidate, left bool, err error) {
	sites := map[int64]bool{}
	f := stats.NewFilter()
	cut := func(x candidate) bool {
		return x.from > from && x.value >= x.rule.threshold && x.goal.Kind() != config.GoalScroll // Those are counted from their own moment anyway.
	}
	for _, x := range candidates {
		if !cut(x) {
			continue
		}
		if !sites[x.of.site] && len(sites) >= mostRecounted {
			left = true
			continue
		}
		sites[x.of.site] = true
		f.Add(&x.goal)
	}
	seen := map[int64]map[int64]int{}
	if err := t.stats.Completions(ctx, f, from-1, t.now, stats.BySecond, func(b *stats.Bucket) error {
		t.plan.goalsOf(b.Site).matcher.Match(f, b, seenAt(seen, b))
		return nil
	}); err != nil {
		return nil, false, err
	}
	for _, x := range candidates {
		if cut(x) {
			if !sites[x.of.site] {
				continue
			}
			x.value = stats.Seen(seen[x.goal.ID]).Since(x.from)
		}
		judged = append(judged, x)
	}
	return judged, left, nil
}

// seenAt notes the rows of a bucket for the goals that are yielded.
func seenAt(seen map[int64]map[int64]int, b *stats.Bucket) func(int64) {
	return func(goal int64) {
		if seen[goal] == nil {
			seen[goal] = map[int64]int{}
		}
		seen[goal][b.Second] += b.Rows
	}
}

// countReached asks for the visitors of scroll goals: their rows repeat as a
// visitor reads on. Fewer rows than the threshold are fewer visitors too.
func (t *tick) countReached(ctx context.Context, candidates []candidate, leftBefore bool) (judged []candidate, left bool, err error) {
	left = leftBefore
	var scrolls []int
	for i, x := range candidates {
		if x.goal.Kind() == config.GoalScroll && x.value > 0 {
			scrolls = append(scrolls, i)
		}
	}
	slices.SortFunc(scrolls, func(a, b int) int { return cmp.Compare(candidates[a].value, candidates[b].value) })
	fit := affordable(len(scrolls), func(i int) int { return candidates[scrolls[i]].value })
	var selections []stats.Selection
	for _, i := range scrolls[:fit] {
		selections = append(selections, stats.Selection{Goal: candidates[i].goal, From: candidates[i].from, To: t.now})
	}
	summaries, err := t.stats.Summaries(ctx, selections)
	if err != nil {
		return nil, false, err
	}
	waiting := map[int]bool{}
	for at, i := range scrolls {
		if at < fit {
			candidates[i].value = summaries[at].Visitors
		} else {
			waiting[i], left = true, true
		}
	}
	for i, x := range candidates {
		if !waiting[i] {
			judged = append(judged, x)
		}
	}
	return judged, left, nil
}

// mostSummedRows is how many rows a tick has summed up beyond what ClickHouse
// does itself.
const mostSummedRows = 200_000

// affordable is how many of n selections, in order, one question may ask for.
func affordable(n int, rows func(i int) int) int {
	sum := 0
	for i := range n {
		if sum += rows(i); sum > mostSummedRows && i >= stats.FewSelections {
			return i
		}
	}
	return n
}
