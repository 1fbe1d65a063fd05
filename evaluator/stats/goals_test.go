package stats_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/deploy/devstack/stack"
	"plausible-webhooks/evaluator/stats"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var paths = []string{
	"/", "/blog", "/blog/", "/blog/launch", "/blog/2026/launch", "/a.b", "/axb", "/(x)", "/x+y", "/a|b", "/a", "b", "/line\nbreak",
	"/Blog", "/ünïcode/seite", "/back\\slash", "/tab\there", "/quote'd", "/$^", "/[set]", "/a b", "/a-b#c", "/100%",
}

// What Go decides on grouped rows must be what ClickHouse decides for the same
// goal, for the visitors of an event may be counted there.
func TestPathsMatchInGoAsInClickHouse(t *testing.T) {
	client, address := open(t, "")
	var events []stack.Event
	for i, path := range paths {
		events = append(events, stack.Event{SiteID: 1, UserID: uint64(i + 1), Pathname: path, Timestamp: noon})
	}
	insert(t, address, events...)
	patterns := []string{
		"/", "/blog", "/blog*", "/blog/*", "/blog/**", "/blog/*/launch", "**", "*", "/*b", "/a|b", "/a*|b", "/a.b*", "/(x)*", "/x+*", "/line*break",
		"/*ü*", "/ünï*", "/back\\*", "/*'*", "/$*", "/[set]*", "/a *", "/a-*", "/*%", "/***", "/tab\t*", "/b|*", "/nothing*", "x|log|*z", "*/|/a", "a|b*c|d", "*a*b|c",
	}
	var selections []stats.Selection
	for i, pattern := range patterns {
		selections = append(selections, select1(config.Goal{ID: int64(i + 1), SiteID: 1, PagePath: pattern, ScrollThreshold: -1}))
	}
	got, err := client.Summaries(t.Context(), selections)
	if err != nil {
		t.Fatal(err)
	}
	matched := 0
	for i, pattern := range patterns {
		want := 0
		parsed, wildcard := stats.ParsePath(pattern)
		for _, path := range paths {
			if !wildcard && path == pattern || wildcard && parsed.Match(path) {
				want++
			}
		}
		if got[i].Visitors != want {
			t.Errorf("%q: ClickHouse matches %d paths, Go %d", pattern, got[i].Visitors, want)
		}
		matched += want
	}
	if matched < len(patterns) {
		t.Errorf("only %d matches in all; the table proves little", matched)
	}
}

// select1 is the rows of a goal at noon.
func select1(g config.Goal) stats.Selection {
	return stats.Selection{Goal: g, From: noon.Unix(), To: noon.Unix()}
}

func TestSummariesOfEveryKind(t *testing.T) {
	client, address := open(t, "")
	pro := map[string]string{"plan": "pro", "it's": "a\\b\t\"c\""}
	insert(t, address,
		stack.Event{SiteID: 1, UserID: 1, Name: "Sign 'up'", Props: pro, ReferrerSource: "Google", Timestamp: noon},
		stack.Event{SiteID: 1, UserID: 1, Name: "Sign 'up'", Props: pro, ReferrerSource: "Google", Timestamp: noon},
		stack.Event{SiteID: 1, UserID: 2, Name: "Sign 'up'", Props: map[string]string{"plan": "pro"}, ReferrerSource: "Bing", Timestamp: noon},
		stack.Event{SiteID: 1, UserID: 3, Name: "Sign 'up'", ReferrerSource: "Google", Timestamp: noon.Add(time.Second)},
		stack.Event{SiteID: 1, UserID: 4, Pathname: "/docs", Timestamp: noon},
		stack.Event{SiteID: 1, UserID: 5, Pathname: "/docs", Name: "engagement", ScrollDepth: 80, Timestamp: noon},
		stack.Event{SiteID: 1, UserID: 6, Pathname: "/docs", Name: "engagement", ScrollDepth: stack.ScrollDepthMissing, Timestamp: noon},
		stack.Event{SiteID: 2, UserID: 7, Name: "Sign 'up'", Timestamp: noon},
	)
	at := noon.Unix()
	selections := []stats.Selection{
		{From: at, To: at + 9, Goal: config.Goal{SiteID: 1, EventName: "Sign 'up'", ScrollThreshold: -1}},
		{From: at, To: at, Goal: config.Goal{SiteID: 1, EventName: "Sign 'up'", ScrollThreshold: -1}},
		{From: at, To: at, Goal: config.Goal{SiteID: 1, EventName: "Sign 'up'", ScrollThreshold: -1, CustomProps: map[string]string{"plan": "pro"}}},
		{From: at, To: at, Goal: config.Goal{SiteID: 1, EventName: "Sign 'up'", ScrollThreshold: -1, CustomProps: pro}},
		{From: at, To: at, Goal: config.Goal{SiteID: 1, PagePath: "/docs", ScrollThreshold: -1}},
		{From: at, To: at, Goal: config.Goal{SiteID: 1, PagePath: "/doc*", ScrollThreshold: 80}},
		{From: at, To: at, Goal: config.Goal{SiteID: 1, PagePath: "/docs", ScrollThreshold: 81}},
		{From: at, To: at, Goal: config.Goal{SiteID: 2, EventName: "Sign 'up'", ScrollThreshold: -1}},
		{From: at, To: at, Goal: config.Goal{SiteID: 3, EventName: "Sign 'up'", ScrollThreshold: -1}},
	}
	want := []stats.Summary{
		{Visitors: 3, Sources: []stats.Count{{Name: "Google", Visitors: 2}, {Name: "Bing", Visitors: 1}}},
		{Visitors: 2, Sources: []stats.Count{{Name: "Bing", Visitors: 1}, {Name: "Google", Visitors: 1}}},
		{Visitors: 2, Sources: []stats.Count{{Name: "Bing", Visitors: 1}, {Name: "Google", Visitors: 1}}},
		{Visitors: 1, Sources: []stats.Count{{Name: "Google", Visitors: 1}}},
		{Visitors: 1}, {Visitors: 1}, {}, {Visitors: 1}, {},
	}
	for i := range selections {
		selections[i].Goal.ID = int64(i + 1)
	}
	// More than ClickHouse tells apart itself: they are told apart here, with
	// the same answers. Of each goal there is a second stretch, without rows.
	many, wantMany := slices.Clone(selections), slices.Clone(want)
	for len(many) <= stats.FewSelections {
		s := selections[len(many)%len(selections)]
		s.From, s.To = at-int64(len(many))-100, at-int64(len(many))-100
		many, wantMany = append(many, s), append(wantMany, stats.Summary{})
	}
	// And one with an expression that is longer than a query may be.
	long := append(slices.Clone(selections), stats.Selection{From: at, To: at, Goal: config.Goal{ID: 99, SiteID: 1, PagePath: "/" + strings.Repeat("x", 80<<10) + "*", ScrollThreshold: -1}})
	for name, test := range map[string]struct {
		given []stats.Selection
		want  []stats.Summary
	}{"there": {selections, want}, "here": {many, wantMany}, "long": {long, append(slices.Clone(want), stats.Summary{})}} {
		before := client.Queries()
		got, err := client.Summaries(t.Context(), test.given)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if asked := client.Queries() - before; asked != 1 {
			t.Errorf("%s: %d queries, want 1", name, asked)
		}
	}
}

func TestTopIsCountedFromAMomentOfEachSite(t *testing.T) {
	client, address := open(t, "")
	insert(t, address,
		stack.Event{SiteID: 1, UserID: 1, Pathname: "/a", ReferrerSource: "Google", Timestamp: noon},
		stack.Event{SiteID: 1, UserID: 1, Pathname: "/a", ReferrerSource: "Google", Timestamp: noon},
		stack.Event{SiteID: 1, UserID: 2, Pathname: "/b", ReferrerSource: "Bing", Timestamp: noon.Add(2 * time.Second)},
		stack.Event{SiteID: 1, UserID: 3, Pathname: "/b", ReferrerSource: "Bing", Timestamp: noon.Add(2 * time.Second)},
		stack.Event{SiteID: 1, UserID: 4, Name: "Signup", Pathname: "/c", Timestamp: noon.Add(2 * time.Second)},
		stack.Event{SiteID: 2, UserID: 5, Pathname: "/old", ReferrerSource: "Google", Timestamp: noon},
		stack.Event{SiteID: 2, UserID: 6, Pathname: "/new", Timestamp: noon.Add(2 * time.Second)},
		stack.Event{SiteID: 3, UserID: 7, Pathname: "/unasked", Timestamp: noon},
		stack.Event{SiteID: 1, UserID: 8, Name: "engagement", Pathname: "/e", ReferrerSource: "X", Timestamp: noon},
	)
	got, err := client.Top(t.Context(), map[int64]int64{1: noon.Unix(), 2: noon.Unix() + 1})
	if err != nil {
		t.Fatal(err)
	}
	want := map[int64]stats.Top{
		1: {Sources: []stats.Count{{Name: "Bing", Visitors: 2}, {Name: "Google", Visitors: 1}}, Pages: []stats.Count{{Name: "/b", Visitors: 2}, {Name: "/a", Visitors: 1}}},
		2: {Pages: []stats.Count{{Name: "/new", Visitors: 1}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("top (-want +got):\n%s", diff)
	}
	seen, err := client.LastSeen(t.Context(), noon.Unix(), []int64{1})
	if err != nil {
		t.Fatal(err)
	}
	if all, later := seen[1].Since(noon.Unix()), seen[1].Since(noon.Unix()+1); all != 4 || later != 3 || len(seen) != 1 {
		t.Errorf("visitors %d, a second later %d, of %d sites; want 4, 3, 1", all, later, len(seen))
	}
}

func TestBucketsTellApartWhatGoalsNeed(t *testing.T) {
	client, address := open(t, "")
	at := noon.Unix()
	insert(t, address,
		stack.Event{SiteID: 1, Pathname: "/a", Timestamp: noon}, stack.Event{SiteID: 1, Pathname: "/a", Timestamp: noon}, stack.Event{SiteID: 1, Pathname: "/b", Timestamp: noon},
		stack.Event{SiteID: 1, Pathname: "/other", Timestamp: noon},
		stack.Event{SiteID: 2, Pathname: "/a", Timestamp: noon}, stack.Event{SiteID: 2, Pathname: "/b", Timestamp: noon},
		stack.Event{SiteID: 1, Name: "Signup", Pathname: "/a", Props: map[string]string{"plan": "pro"}, Timestamp: noon},
		stack.Event{SiteID: 1, Name: "Signup", Pathname: "/b", Timestamp: noon},
		stack.Event{SiteID: 1, Name: "Other", Timestamp: noon},
		stack.Event{SiteID: 1, Name: "Signup", Timestamp: noon.Add(-time.Second)}, stack.Event{SiteID: 1, Name: "Signup", Timestamp: noon.Add(2 * time.Second)},
		stack.Event{SiteID: 1, Name: "engagement", Pathname: "/a", ScrollDepth: 40, Timestamp: noon}, stack.Event{SiteID: 1, Name: "engagement", Pathname: "/a", ScrollDepth: 255, Timestamp: noon},
		stack.Event{SiteID: 3, Name: "engagement", Pathname: "/a", ScrollDepth: 40, Timestamp: noon},
	)
	signup := config.Goal{ID: 1, SiteID: 1, EventName: "Signup", ScrollThreshold: -1, CustomProps: map[string]string{"plan": "pro", "nil": "x"}}
	page := config.Goal{ID: 2, SiteID: 1, PagePath: "/a", ScrollThreshold: -1}
	wild := config.Goal{ID: 3, SiteID: 1, PagePath: "/b*", ScrollThreshold: -1}
	scroll := config.Goal{ID: 4, SiteID: 1, PagePath: "/a", ScrollThreshold: 40}
	elsewhere := config.Goal{ID: 5, SiteID: 2, EventName: "Nothing", ScrollThreshold: -1}
	none := []string{"", ""}
	all := []stats.Bucket{
		{Site: 1, Name: "Signup", Props: []string{"", "pro"}, Second: at, Rows: 1},
		{Site: 1, Name: "Signup", Props: none, Second: at, Rows: 1},
		{Site: 1, Name: "pageview", Path: "/a", Props: none, Second: at, Rows: 2},
		{Site: 1, Name: "pageview", Path: "/b", Props: none, Second: at, Rows: 1},
		{Site: 1, Name: "engagement", Path: "/a", Depth: 40, Props: none, Second: at, Rows: 1},
	}
	for name, test := range map[string]struct {
		goals   []config.Goal
		detail  stats.Detail
		want    []stats.Bucket
		atLeast int // Instead of want.
	}{
		"all kinds":       {[]config.Goal{signup, page, wild, scroll, elsewhere}, stats.BySecond, all, 0},
		"without seconds": {[]config.Goal{page}, stats.ByKind, []stats.Bucket{{Site: 1, Name: "pageview", Path: "/a", Props: []string{}, Rows: 2}}, 0},
		"nothing":         {nil, stats.BySecond, nil, 0},
		// Lists that are too long are left out; then too much comes, never too little.
		"long names":     {[]config.Goal{signup, {ID: 9, SiteID: 1, EventName: strings.Repeat("x", 100<<10), ScrollThreshold: -1}}, stats.BySecond, nil, 4},
		"long paths":     {[]config.Goal{page, {ID: 9, SiteID: 1, PagePath: strings.Repeat("x", 100<<10), ScrollThreshold: -1}}, stats.BySecond, nil, 3},
		"long wildcards": {[]config.Goal{wild, {ID: 9, SiteID: 1, PagePath: strings.Repeat("x", 100<<10) + "*", ScrollThreshold: -1}}, stats.BySecond, nil, 3},
	} {
		t.Run(name, func(t *testing.T) {
			f := stats.NewFilter()
			for _, g := range test.goals {
				f.Add(&g)
			}
			var got []stats.Bucket
			if err := client.Completions(t.Context(), f, at-1, at+1, test.detail, func(b *stats.Bucket) error {
				got = append(got, *b)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if test.atLeast > 0 {
				if len(got) < test.atLeast {
					t.Errorf("%d buckets, want at least %d: %v", len(got), test.atLeast, got)
				}
				return
			}
			sorted := func(a, b stats.Bucket) bool { return fmt.Sprintf("%+v", a) < fmt.Sprintf("%+v", b) }
			if diff := cmp.Diff(test.want, got, cmpopts.SortSlices(sorted)); diff != "" {
				t.Errorf("buckets (-want +got):\n%s", diff)
			}
		})
	}
}

// Goals that name many properties between them have all properties of a row
// read; the answers are the same.
func TestManyProperties(t *testing.T) {
	client, address := open(t, "")
	insert(t, address,
		stack.Event{SiteID: 1, Name: "Signup", Props: map[string]string{"key 7": "yes", "other": "key 8", "key 9": "no"}, Timestamp: noon},
		stack.Event{SiteID: 1, Name: "Signup", Timestamp: noon},
	)
	f := stats.NewFilter()
	var goals []config.Goal
	for i := range 100 {
		g := config.Goal{ID: int64(i), SiteID: 1, EventName: "Signup", ScrollThreshold: -1, CustomProps: map[string]string{fmt.Sprintf("key %d", i): "yes"}}
		goals = append(goals, g)
		f.Add(&g)
	}
	m := stats.NewMatcher(goals)
	var got []int64
	if err := client.Completions(t.Context(), f, noon.Unix()-1, noon.Unix(), stats.BySecond, func(b *stats.Bucket) error {
		m.Match(f, b, func(goal int64) { got = append(got, goal) })
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{7}, got); diff != "" {
		t.Errorf("completed goals (-want +got):\n%s", diff)
	}
}
