package stats_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/deploy/devstack/stack"
	"plausible-webhooks/evaluator/stats"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	code := stack.Main(m)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// open returns a client of a fresh database, and its URL.
func open(t *testing.T, user string) (*stats.Client, string) {
	t.Helper()
	address := stack.TestEvents(t)
	return openAt(t, address, user), address
}

func openAt(t *testing.T, address, user string) *stats.Client {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	client, err := stats.Open(stats.Options{Scheme: u.Scheme, Addr: u.Host, Database: strings.TrimPrefix(u.Path, "/"), User: user})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

func insert(t *testing.T, address string, events ...stack.Event) {
	t.Helper()
	if err := stack.InsertEvents(t.Context(), address, events); err != nil {
		t.Fatal(err)
	}
}

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func TestSettingsThatAUserMayNotSetAreLeftOut(t *testing.T) {
	wanted := []string{
		"max_execution_time", "max_threads", "log_queries", "max_rows_to_read", "max_result_rows", "max_memory_usage", "max_bytes_before_external_group_by",
	}
	for user, want := range map[string]bool{"default": true, "readonly2": true, "readonly": false} {
		t.Run(user, func(t *testing.T) {
			client, address := open(t, user)
			// A deadline in the caller's context is no setting either (the
			// driver would make it one, and code 164 of it).
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			now, err := client.Now(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if distance := time.Since(time.Unix(now, 0)).Abs(); distance > time.Minute {
				t.Errorf("now is %s away from ours", distance)
			}
			queries, err := stack.TestClickHouse(t).Queries()
			if err != nil {
				t.Fatal(err)
			}
			asked := 0
			for _, q := range queries {
				if "/"+q.Database != address[strings.LastIndex(address, "/"):] || !strings.Contains(q.SQL, "now()") {
					continue
				}
				asked++
				for _, setting := range wanted {
					if user == "readonly" && setting == "max_threads" {
						continue // ClickHouse lets it be set to what it is, which depends on the machine.
					}
					if _, sent := q.Settings[setting]; sent != want {
						t.Errorf("setting %s sent: %v, want %v", setting, sent, want)
					}
				}
			}
			if asked != 1 {
				t.Errorf("the server saw %d questions for the time, want 1", asked)
			}
		})
	}
}

func TestTrafficCountsVisitorsAsPlausibleDoes(t *testing.T) {
	client, address := open(t, "")
	insert(t, address,
		stack.Event{SiteID: 1, UserID: 1, Timestamp: noon.Add(-300 * time.Second)},
		stack.Event{SiteID: 1, UserID: 1, Timestamp: noon},
		stack.Event{SiteID: 1, UserID: 2, Name: "Signup", Timestamp: noon.Add(time.Second)},
		stack.Event{SiteID: 1, UserID: 3, Name: "engagement", Timestamp: noon},
		stack.Event{SiteID: 1, UserID: 4, Timestamp: noon.Add(-301 * time.Second)},
		stack.Event{SiteID: 2, UserID: 5, Timestamp: noon.Add(-10 * time.Second)},
		stack.Event{SiteID: 3, UserID: 6, Name: "engagement", Timestamp: noon},
	)
	all := map[int64]stats.Traffic{1: {2, noon.Unix() - 300}, 2: {1, noon.Unix() - 10}}
	for _, test := range []struct {
		sites []int64
		want  map[int64]stats.Traffic
	}{
		{nil, all},
		{[]int64{1, 2, 3}, all},
		{[]int64{2}, map[int64]stats.Traffic{2: all[2]}},
		{[]int64{}, map[int64]stats.Traffic{}},
	} {
		got, err := client.Traffic(t.Context(), noon.Unix()-300, test.sites)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("sites %v (-want +got):\n%s", test.sites, diff)
		}
	}
	last, err := client.LastEvents(t.Context(), noon.Unix()-301, noon.Unix()-10, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[int64]int64{1: noon.Unix() - 300}, last); diff != "" {
		t.Errorf("last events (-want +got):\n%s", diff)
	}
}

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
		goals    []config.Goal
		bySecond bool
		want     []stats.Bucket
		atLeast  int // Instead of want.
	}{
		"all kinds":       {[]config.Goal{signup, page, wild, scroll, elsewhere}, true, all, 0},
		"without seconds": {[]config.Goal{page}, false, []stats.Bucket{{Site: 1, Name: "pageview", Path: "/a", Props: []string{}, Rows: 2}}, 0},
		"nothing":         {nil, true, nil, 0},
		// Lists that are too long are left out; then too much comes, never too little.
		"long names":     {[]config.Goal{signup, {ID: 9, SiteID: 1, EventName: strings.Repeat("x", 100<<10), ScrollThreshold: -1}}, true, nil, 4},
		"long paths":     {[]config.Goal{page, {ID: 9, SiteID: 1, PagePath: strings.Repeat("x", 100<<10), ScrollThreshold: -1}}, true, nil, 3},
		"long wildcards": {[]config.Goal{wild, {ID: 9, SiteID: 1, PagePath: strings.Repeat("x", 100<<10) + "*", ScrollThreshold: -1}}, true, nil, 3},
	} {
		t.Run(name, func(t *testing.T) {
			f := stats.NewFilter()
			for _, g := range test.goals {
				f.Add(&g)
			}
			var got []stats.Bucket
			if err := client.Completions(t.Context(), f, at-1, at+1, test.bySecond, func(b *stats.Bucket) error {
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
	if err := client.Completions(t.Context(), f, noon.Unix()-1, noon.Unix(), true, func(b *stats.Bucket) error {
		m.Match(f, b, func(goal int64) { got = append(got, goal) })
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{7}, got); diff != "" {
		t.Errorf("completed goals (-want +got):\n%s", diff)
	}
}

func TestErrorsHoldNeitherAddressNorPassword(t *testing.T) {
	client, err := stats.Open(stats.Options{Scheme: "http", Addr: "127.0.0.1:1", Database: "d", User: "someone", Password: "hunter2"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, err = client.Now(t.Context())
	if err == nil {
		t.Fatal("nobody listens, yet there was an answer")
	}
	if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "someone") || strings.Contains(err.Error(), "http://") {
		t.Errorf("error tells too much: %v", err)
	}
	if _, err := stats.Open(stats.Options{Scheme: "mysql", Addr: "x:1"}); err == nil || !strings.Contains(err.Error(), "clickhouse") {
		t.Errorf("unknown scheme: %v, want the known ones listed", err)
	}
}

// Only functions that ClickHouse 24.3 has are used: Plausible CE runs 24.12.
func TestFunctionsUsed(t *testing.T) {
	client, address := open(t, "")
	insert(t, address, stack.Event{SiteID: 1, Timestamp: noon})
	at := noon.Unix()
	page := config.Goal{ID: 1, SiteID: 1, PagePath: "/*", ScrollThreshold: 10, CustomProps: map[string]string{"a": "b"}}
	f := stats.NewFilter()
	f.Add(&page)
	f.Add(&config.Goal{SiteID: 1, PagePath: "/", ScrollThreshold: -1})
	f.Add(&config.Goal{SiteID: 1, EventName: "Signup", ScrollThreshold: -1})
	many := make([]stats.Selection, stats.FewSelections+1)
	for i := range many {
		many[i] = stats.Selection{Goal: page, From: at + int64(i), To: at + int64(i)}
	}
	_, err1 := client.Now(t.Context())
	_, err2 := client.Traffic(t.Context(), at, []int64{1})
	_, err3 := client.LastEvents(t.Context(), at, at, nil)
	_, err4 := client.Summaries(t.Context(), many[:1])
	_, err5 := client.Summaries(t.Context(), many)
	_, err6 := client.LastSeen(t.Context(), at, []int64{1})
	_, err7 := client.Top(t.Context(), map[int64]int64{1: at, 2: at + 1})
	err8 := client.Completions(t.Context(), f, at, at, true, func(*stats.Bucket) error { return nil })
	err9 := client.Visits(t.Context(), 1, at, at+1, func(stats.Visit) error { return nil })
	err10 := client.CompletionsInOrder(t.Context(), f, at, at+1, true, func(*stats.Bucket, uint64) error { return nil })
	_, err11 := client.TopWithin(t.Context(), 1, []stats.Stretch{{From: at, To: at}, {From: at, To: at + 1}})
	_, err12 := client.SummariesWithin(t.Context(), page, []stats.Stretch{{From: at, To: at}, {From: at, To: at + 1}})
	for _, err := range []error{err1, err2, err3, err4, err5, err6, err7, err8, err9, err10, err11, err12} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := stack.TestClickHouse(t).Functions(t.Context(), address[strings.LastIndex(address, "/")+1:])
	if err != nil {
		t.Fatal(err)
	}
	known := []string{
		"CAST", "_CAST", "and", "arrayConcat", "arrayElement", "arrayFilter", "arrayJoin", "array", "count", "equals", "greater", "greaterOrEquals", "if", "in", "indexOf",
		"lambda", "less", "lessOrEquals", "match", "max", "min", "notEquals", "now", "or", "range", "toDateTime", "toString", "toUInt32", "toUInt64", "toUInt8", "transform", "tuple", "tupleElement", "unhex", "uniq",
	}
	for _, name := range got {
		// What the driver asks by itself when it connects.
		if !slices.Contains(known, name) && !slices.Contains([]string{"displayName", "version", "revision", "timezone"}, name) {
			t.Errorf("function %s is not known to be in ClickHouse 24.3", name)
		}
	}
	if len(got) < 15 {
		t.Errorf("only %v were seen", got)
	}
}

// Plausible CE's profile holds queries to one thread; so do we, there.
func TestStricterProfilesAreLeftAsTheyAre(t *testing.T) {
	server, err := stack.StartClickHouse(t.Context(), stack.ClickHouseOptions{Profile: stack.ProfileCE})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}()
	address, err := server.CreateDatabase(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openAt(t, address, "").Now(t.Context()); err != nil {
		t.Fatal(err)
	}
	queries, err := server.Queries()
	if err != nil {
		t.Fatal(err)
	}
	last := queries[len(queries)-1]
	if threads, sent := last.Settings["max_threads"]; !strings.Contains(last.SQL, "now()") || sent {
		t.Errorf("%s came with %s threads, want the profile's one", last.SQL, threads)
	}
	if _, sent := last.Settings["max_execution_time"]; !sent {
		t.Error("max_execution_time was not sent, though the profile has none")
	}
}
