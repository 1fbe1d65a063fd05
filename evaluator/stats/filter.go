package stats

import (
	"maps"
	"slices"
	"strings"

	"plausible-webhooks/config"
)

// Names of rows that are no custom event.
const (
	pageview   = "pageview"
	engagement = "engagement"
)

// Filter is what a question about goals asks for: every row that may complete
// one of them, and few others. Its size is bounded whatever the number of
// goals: a list that grows too long is left out, and the rows that it would
// have kept away are sorted out by a Matcher.
type Filter struct {
	sites, pageSites, scrollSites, propSites idList
	events                                   textList
	pages, scrolls                           pathFilter
	props                                    map[string]bool
	sorted                                   []string       // Keys of props, once asked for.
	propAt                                   map[string]int // Places in sorted.
}

// pathFilter restricts rows by path.
type pathFilter struct {
	any             bool // There are such goals.
	exact, wildcard textList
}

// Bounds of the lists in a query, in bytes of its text: with one of each and
// four lists of sites it stays below max_query_size, 256 KiB by default. The
// expressions of wildcards become one, which the server compiles anew for each
// query: 1,000 take about a second, 100 a tenth.
const (
	longestList      = 48 << 10
	longestWildcards = 8 << 10
)

// textList is a set of texts that is given up once it would be too long.
type textList struct {
	texts map[string]bool
	bytes int
	long  bool
}

func (l *textList) add(text string, longest int) {
	if l.long || l.texts[text] {
		return
	}
	l.bytes += 2*len(text) + len("unhex(''),")
	if l.bytes > longest {
		l.long, l.texts = true, nil
		return
	}
	if l.texts == nil {
		l.texts = map[string]bool{}
	}
	l.texts[text] = true
}

func (l *textList) sql() string { return texts(slices.Sorted(maps.Keys(l.texts))) }

// idList is a set of sites that is given up once it would be too long.
type idList struct {
	ids  map[int64]bool
	long bool
}

func (l *idList) add(id int64) {
	if l.long || l.ids[id] {
		return
	}
	if len(l.ids) >= manySites {
		l.long, l.ids = true, nil
		return
	}
	if l.ids == nil {
		l.ids = map[int64]bool{}
	}
	l.ids[id] = true
}

// among restricts to the sites, if there are few.
func (l *idList) among() string {
	if l.long {
		return ""
	}
	return among(slices.Sorted(maps.Keys(l.ids)))
}

// NewFilter returns a filter that asks for nothing yet.
func NewFilter() *Filter { return &Filter{props: map[string]bool{}} }

// Empty reports whether nothing is asked for.
func (f *Filter) Empty() bool { return len(f.sites.ids) == 0 && !f.sites.long }

// Add asks for the rows of a goal. It must not be called once the filter has
// been used.
func (f *Filter) Add(g *config.Goal) {
	f.sites.add(g.SiteID)
	switch g.Kind() {
	case config.GoalEvent:
		f.events.add(g.EventName, longestList)
	case config.GoalPage:
		f.pageSites.add(g.SiteID)
		f.pages.add(g.PagePath)
	default:
		f.scrollSites.add(g.SiteID)
		f.scrolls.add(g.PagePath)
	}
	for key := range g.CustomProps {
		f.props[key] = true
		f.propSites.add(g.SiteID)
	}
}

func (p *pathFilter) add(path string) {
	p.any = true
	if pattern, wildcard := pathPattern(path); wildcard {
		p.wildcard.add(pattern, longestWildcards)
	} else {
		p.exact.add(path, longestList)
	}
}

// propKeys are the custom properties that the goals name, in the order of
// Bucket.Props if there are few.
func (f *Filter) propKeys() []string {
	if f.propAt == nil {
		f.sorted = slices.Sorted(maps.Keys(f.props))
		f.propAt = make(map[string]int, len(f.sorted))
		for i, key := range f.sorted {
			f.propAt[key] = i
		}
	}
	return f.sorted
}

// where is the condition that rows must meet.
func (f *Filter) where() string {
	var kinds []string
	switch {
	case f.events.long:
		kinds = append(kinds, "name != '"+engagement+"'")
	case len(f.events.texts) > 0:
		kinds = append(kinds, "name IN ("+f.events.sql()+")")
	}
	if f.pages.any {
		kinds = append(kinds, "name = '"+pageview+"'"+f.pageSites.among()+f.pages.sql())
	}
	if f.scrolls.any {
		kinds = append(kinds, "name = '"+engagement+"' AND scroll_depth <= 100"+f.scrollSites.among()+f.scrolls.sql())
	}
	return "(" + strings.Join(kinds, " OR ") + ")" + f.sites.among()
}

func (p *pathFilter) sql() string {
	if p.exact.long || p.wildcard.long {
		return ""
	}
	var ways []string
	if len(p.exact.texts) > 0 {
		ways = append(ways, "pathname IN ("+p.exact.sql()+")")
	}
	if len(p.wildcard.texts) > 0 {
		// Alternation binds weakest, so that each keeps its own anchors.
		ways = append(ways, "match(pathname, "+text(strings.Join(slices.Sorted(maps.Keys(p.wildcard.texts)), "|"))+")")
	}
	return " AND (" + strings.Join(ways, " OR ") + ")"
}

// columns are what tells apart rows that may complete different goals, named
// goal_name, goal_path, goal_depth and goal_props.
func (f *Filter) columns() string {
	path, depth := "''", "toUInt8(0)"
	if f.pages.any {
		path = "if(name = '" + pageview + "', pathname, '')"
	}
	if f.scrolls.any {
		path = "if(name IN ('" + pageview + "', '" + engagement + "'), pathname, '')"
		depth = "if(name = '" + engagement + "', scroll_depth, 0)"
	}
	return "toString(name) AS goal_name, " + path + " AS goal_path, " + depth + " AS goal_depth, " + f.propValues() + " AS goal_props"
}

// manyProps is from how many properties on all of a row's are read instead of
// the ones asked for: each would be looked for in each row.
const manyProps = 32

// propValues is the expression for the values of the properties, in the order
// of propKeys, or for all keys and values. A key that a row lacks gives the
// empty string, as in Plausible's own condition. Of sites without such goals
// it is empty.
func (f *Filter) propValues() string {
	const none = "CAST([], 'Array(String)')"
	keys := f.propKeys()
	if len(keys) == 0 {
		return none
	}
	array := "arrayConcat(meta.key, meta.value)"
	if len(keys) <= manyProps {
		values := make([]string, len(keys))
		for i, key := range keys {
			values[i] = prop(key)
		}
		array = "[" + strings.Join(values, ",") + "]"
	}
	if f.propSites.long {
		return array
	}
	return "if(site_id IN (" + integers(slices.Sorted(maps.Keys(f.propSites.ids))) + "), " + array + ", " + none + ")"
}

func prop(key string) string { return "meta.value[indexOf(meta.key, " + text(key) + ")]" }
