package stats

import (
	"cmp"
	"slices"

	"plausible-webhooks/config"
)

// Matcher tells which goals of one site a row completes, as Plausible does
// (lib/plausible/stats/goals.ex). It is for one goroutine.
type Matcher struct {
	events         []config.Goal // By event name.
	pages, scrolls paths
}

// paths are page or scroll goals: those without wildcards, by path, and the
// others.
type paths struct {
	exact    []config.Goal
	wildcard []wildcardGoal
	// matched remembers what wildcards match a path, where they are many: paths
	// repeat from second to second and from tick to tick.
	matched map[string][]*config.Goal
}

// From manyWildcards on matches are remembered, of at most mostRemembered paths.
const (
	manyWildcards  = 16
	mostRemembered = 2000
)

type wildcardGoal struct {
	config.Goal
	path Path
}

// NewMatcher makes a matcher of goals, all of one site.
func NewMatcher(goals []config.Goal) *Matcher {
	m := &Matcher{}
	for _, g := range goals {
		switch g.Kind() {
		case config.GoalEvent:
			m.events = append(m.events, g)
		case config.GoalPage:
			m.pages.add(g)
		default:
			m.scrolls.add(g)
		}
	}
	slices.SortStableFunc(m.events, func(a, b config.Goal) int { return cmp.Compare(a.EventName, b.EventName) })
	for _, p := range []paths{m.pages, m.scrolls} {
		slices.SortStableFunc(p.exact, func(a, b config.Goal) int { return cmp.Compare(a.PagePath, b.PagePath) })
	}
	return m
}

func (p *paths) add(g config.Goal) {
	if path, wildcard := ParsePath(g.PagePath); wildcard {
		p.wildcard = append(p.wildcard, wildcardGoal{g, path})
	} else {
		p.exact = append(p.exact, g)
	}
}

// Match yields the ids of the goals that the rows of b complete; f is the
// filter that b was asked with.
func (m *Matcher) Match(f *Filter, b *Bucket, yield func(goal int64)) {
	if b.Name == engagement {
		m.scrolls.match(b.Path, func(g *config.Goal) {
			if b.Depth >= g.ScrollThreshold && f.hasProps(g, b) {
				yield(g.ID)
			}
		})
		return
	}
	named(m.events, b.Name, func(g *config.Goal) string { return g.EventName }, func(g *config.Goal) {
		if f.hasProps(g, b) {
			yield(g.ID)
		}
	})
	if b.Name != pageview {
		return
	}
	m.pages.match(b.Path, func(g *config.Goal) {
		if f.hasProps(g, b) {
			yield(g.ID)
		}
	})
}

func (p *paths) match(path string, yield func(*config.Goal)) {
	named(p.exact, path, func(g *config.Goal) string { return g.PagePath }, yield)
	if len(p.wildcard) < manyWildcards {
		p.onWildcards(path, yield)
		return
	}
	matched, known := p.matched[path]
	if !known {
		p.onWildcards(path, func(g *config.Goal) { matched = append(matched, g) })
		if p.matched == nil || len(p.matched) >= mostRemembered {
			p.matched = map[string][]*config.Goal{}
		}
		p.matched[path] = matched
	}
	for _, g := range matched {
		yield(g)
	}
}

func (p *paths) onWildcards(path string, yield func(*config.Goal)) {
	for i := range p.wildcard {
		if p.wildcard[i].path.Match(path) {
			yield(&p.wildcard[i].Goal)
		}
	}
}

// named yields those of a list, sorted by text, that have it.
func named(sorted []config.Goal, text string, of func(*config.Goal) string, yield func(*config.Goal)) {
	at, _ := slices.BinarySearchFunc(sorted, text, func(g config.Goal, text string) int { return cmp.Compare(of(&g), text) })
	for ; at < len(sorted) && of(&sorted[at]) == text; at++ {
		yield(&sorted[at])
	}
}

// hasProps reports whether all custom properties of the goal match.
func (f *Filter) hasProps(g *config.Goal, b *Bucket) bool {
	for key, want := range g.CustomProps {
		if f.propOf(b, key) != want {
			return false
		}
	}
	return true
}

func (f *Filter) propOf(b *Bucket, key string) string {
	at, asked := f.propAt[key]
	if len(f.propAt) > manyProps {
		// All keys of the row, then all values.
		half := len(b.Props) / 2
		if at = slices.Index(b.Props[:half], key); at >= 0 {
			at += half
		}
	}
	if !asked || at < 0 || at >= len(b.Props) {
		return ""
	}
	return b.Props[at]
}
