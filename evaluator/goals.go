package evaluator

import (
	"maps"
	"math"
	"regexp"
	"slices"

	"plausible-webhooks/config"
	"plausible-webhooks/evaluator/stats"
)

// trackedGoal is a goal that at least one trigger asks about.
type trackedGoal struct {
	config.Goal
	rules   []*rule
	pattern *regexp.Regexp // Nil: the path matches by equality.
	since   int64          // Of its definition; filled in at each tick.
}

// goalIndex finds the goals that rows complete.
type goalIndex struct {
	tracked  map[int64]*trackedGoal
	events   map[siteName][]*trackedGoal
	pages    map[int64]*paths
	scrolls  map[int64]*paths
	propKeys []string
	propAt   map[string]int
	patterns map[string]*regexp.Regexp // By page_path; compiled once per process.

	completions, scrolled stats.Completions // Their lists, without times.
}

type siteName struct {
	site int64
	name string
}

// paths are the page or scroll goals of one site.
type paths struct {
	exact    map[string][]*trackedGoal
	wildcard []*trackedGoal
}

func newGoalIndex() *goalIndex {
	return &goalIndex{
		tracked:  map[int64]*trackedGoal{},
		events:   map[siteName][]*trackedGoal{},
		pages:    map[int64]*paths{},
		scrolls:  map[int64]*paths{},
		propAt:   map[string]int{},
		patterns: map[string]*regexp.Regexp{},
	}
}

func (x *goalIndex) add(r *rule, g config.Goal) {
	if known, ok := x.tracked[g.ID]; ok {
		known.rules = append(known.rules, r)
		return
	}
	tracked := &trackedGoal{Goal: g, rules: []*rule{r}}
	if pattern, wildcard := stats.PathPattern(g.PagePath); wildcard && g.Kind() != config.GoalEvent {
		if tracked.pattern = x.compile(g.PagePath, pattern); tracked.pattern == nil {
			return // Neither can ClickHouse match it.
		}
	}
	x.tracked[g.ID] = tracked
	for key := range g.CustomProps {
		x.propAt[key] = 0
	}
	switch g.Kind() {
	case config.GoalEvent:
		key := siteName{g.SiteID, g.EventName}
		x.events[key] = append(x.events[key], tracked)
	case config.GoalPage:
		insertPath(x.pages, tracked)
	default:
		insertPath(x.scrolls, tracked)
	}
}

func (x *goalIndex) compile(path, pattern string) *regexp.Regexp {
	compiled, known := x.patterns[path]
	if !known {
		compiled, _ = stats.CompilePath(pattern)
		x.patterns[path] = compiled
	}
	return compiled
}

func insertPath(sites map[int64]*paths, g *trackedGoal) {
	p := sites[g.SiteID]
	if p == nil {
		p = &paths{exact: map[string][]*trackedGoal{}}
		sites[g.SiteID] = p
	}
	if g.pattern != nil {
		p.wildcard = append(p.wildcard, g)
	} else {
		p.exact[g.PagePath] = append(p.exact[g.PagePath], g)
	}
}

// finish prepares the questions, when all goals are there.
func (x *goalIndex) finish() {
	x.propKeys = slices.Sorted(maps.Keys(x.propAt))
	for i, key := range x.propKeys {
		x.propAt[key] = i
	}
	names, sites, propSites := map[string]bool{}, map[int64]bool{}, map[int64]bool{}
	for key := range x.events {
		names[key.name] = true
		sites[key.site] = true
	}
	for site := range x.pages {
		names["pageview"] = true
		sites[site] = true
	}
	for _, g := range x.tracked {
		if len(g.CustomProps) > 0 {
			propSites[g.SiteID] = true
		}
	}
	x.completions = stats.Completions{
		Sites: fewOf(sites), Names: slices.Sorted(maps.Keys(names)), PageSites: fewOf(x.pages),
		PropKeys: x.propKeys, PropSites: fewOf(propSites),
	}
	x.scrolled = stats.Completions{Sites: fewOf(x.scrolls), PropKeys: x.propKeys, PropSites: fewOf(propSites)}
}

// fewOf is stats.Few, but never nil for no sites: nil stands for all of them.
func fewOf[V any](sites map[int64]V) []int64 {
	return stats.Few(slices.AppendSeq(make([]int64, 0, len(sites)), maps.Keys(sites)))
}

// earliest is the second up to which no goal counts for any trigger.
func (x *goalIndex) earliest() int64 {
	earliest := int64(math.MaxInt64)
	for _, g := range x.tracked {
		for _, r := range g.rules {
			earliest = min(earliest, max(r.start, g.since))
		}
	}
	return earliest
}

// matcher finds goals of buckets and remembers paths, which repeat by second.
type matcher struct {
	*goalIndex
	remembered map[sitePath][]*trackedGoal
}

type sitePath struct {
	site   int64
	scroll bool
	path   string
}

func (x *goalIndex) matcher() *matcher {
	return &matcher{x, map[sitePath][]*trackedGoal{}}
}

// completed yields the event and page goals that the rows of b complete.
func (m *matcher) completed(b stats.Bucket, yield func(*trackedGoal)) {
	for _, g := range m.events[siteName{b.Site, b.Name}] {
		if m.hasProps(g, b) {
			yield(g)
		}
	}
	if b.Name != "pageview" {
		return
	}
	for _, g := range m.onPath(m.pages, false, b) {
		if m.hasProps(g, b) {
			yield(g)
		}
	}
}

// scrolledTo yields the scroll goals that the rows of b reach.
func (m *matcher) scrolledTo(b stats.Bucket, yield func(*trackedGoal)) {
	for _, g := range m.onPath(m.scrolls, true, b) {
		if b.Depth >= g.ScrollThreshold && m.hasProps(g, b) {
			yield(g)
		}
	}
}

func (m *matcher) onPath(sites map[int64]*paths, scroll bool, b stats.Bucket) []*trackedGoal {
	p := sites[b.Site]
	if p == nil {
		return nil
	}
	if len(p.wildcard) == 0 {
		return p.exact[b.Path]
	}
	key := sitePath{b.Site, scroll, b.Path}
	found, known := m.remembered[key]
	if !known {
		found = slices.Clone(p.exact[b.Path])
		for _, g := range p.wildcard {
			if g.pattern.MatchString(b.Path) {
				found = append(found, g)
			}
		}
		m.remembered[key] = found
	}
	return found
}

// hasProps reports whether all custom properties of the goal match.
func (m *matcher) hasProps(g *trackedGoal, b stats.Bucket) bool {
	for key, want := range g.CustomProps {
		if i := m.propAt[key]; i >= len(b.Props) || b.Props[i] != want {
			return false
		}
	}
	return true
}
