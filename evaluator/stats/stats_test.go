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
	for user, want := range map[string]map[string]bool{
		"default":   {"max_execution_time": true, "max_threads": true, "log_queries": true},
		"readonly2": {"max_execution_time": true, "max_threads": true, "log_queries": true},
		"readonly":  {},
	} {
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
				for _, setting := range []string{"max_execution_time", "max_threads", "log_queries"} {
					if user == "readonly" && setting == "max_threads" {
						continue // ClickHouse lets it be set to what it is, which depends on the machine.
					}
					if _, sent := q.Settings[setting]; sent != want[setting] {
						t.Errorf("setting %s sent: %v, want %v", setting, sent, want[setting])
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
// goal, for the visitors of an event are counted there.
func TestPathsMatchInGoAsInClickHouse(t *testing.T) {
	client, address := open(t, "")
	var events []stack.Event
	for i, path := range paths {
		events = append(events, stack.Event{SiteID: 1, UserID: uint64(i + 1), Pathname: path, Timestamp: noon})
	}
	insert(t, address, events...)
	patterns := []string{
		"/", "/blog", "/blog*", "/blog/*", "/blog/**", "/blog/*/launch", "**", "*", "/*b", "/a|b", "/a*|b", "/a.b*", "/(x)*", "/x+*", "/line*break",
		"/*ü*", "/ünï*", "/back\\*", "/*'*", "/$*", "/[set]*", "/a *", "/a-*", "/*%", "/***", "/tab\t*", "/b|*", "/nothing*",
	}
	var selections []stats.Selection
	for _, pattern := range patterns {
		selections = append(selections, stats.Selection{Site: 1, From: noon.Unix(), To: noon.Unix(), Goal: &config.Goal{PagePath: pattern, ScrollThreshold: -1}})
	}
	got, err := client.Visitors(t.Context(), selections)
	if err != nil {
		t.Fatal(err)
	}
	matched := 0
	for i, pattern := range patterns {
		want := 0
		expression, wildcard := stats.PathPattern(pattern)
		for _, path := range paths {
			if !wildcard && path == pattern {
				want++
			} else if wildcard {
				compiled, err := stats.CompilePath(expression)
				if err != nil {
					t.Fatal(err)
				}
				if compiled.MatchString(path) {
					want++
				}
			}
		}
		if got[i] != want {
			t.Errorf("%q as %q: ClickHouse matches %d paths, Go %d", pattern, expression, got[i], want)
		}
		matched += want
	}
	if matched < len(patterns) {
		t.Errorf("only %d matches in all; the table proves little", matched)
	}
}

func TestSelectionsOfEveryKindInOneQuery(t *testing.T) {
	client, address := open(t, "")
	pro := map[string]string{"plan": "pro", "it's": "a\\b\t\"c\""}
	insert(t, address,
		stack.Event{SiteID: 1, UserID: 1, Name: "Sign 'up'", Props: pro, ReferrerSource: "Google", Timestamp: noon},
		stack.Event{SiteID: 1, UserID: 2, Name: "Sign 'up'", Props: map[string]string{"plan": "pro"}, ReferrerSource: "Bing", Timestamp: noon},
		stack.Event{SiteID: 1, UserID: 3, Name: "Sign 'up'", ReferrerSource: "Google", Timestamp: noon.Add(time.Second)},
		stack.Event{SiteID: 1, UserID: 4, Pathname: "/docs", Timestamp: noon},
		stack.Event{SiteID: 1, UserID: 5, Pathname: "/docs", Name: "engagement", ScrollDepth: 80, Timestamp: noon},
		stack.Event{SiteID: 1, UserID: 6, Pathname: "/docs", Name: "engagement", ScrollDepth: stack.ScrollDepthMissing, Timestamp: noon},
		stack.Event{SiteID: 2, UserID: 7, Name: "Sign 'up'", Timestamp: noon},
	)
	at := noon.Unix()
	goal := func(g config.Goal) *config.Goal { return &g }
	selections := []stats.Selection{
		{Site: 1, From: at},
		{Site: 1, From: at, To: at},
		{Site: 1, From: at, Goal: goal(config.Goal{EventName: "Sign 'up'", ScrollThreshold: -1})},
		{Site: 1, From: at, Goal: goal(config.Goal{EventName: "Sign 'up'", ScrollThreshold: -1, CustomProps: map[string]string{"plan": "pro"}})},
		{Site: 1, From: at, Goal: goal(config.Goal{EventName: "Sign 'up'", ScrollThreshold: -1, CustomProps: pro})},
		{Site: 1, From: at, Goal: goal(config.Goal{PagePath: "/docs", ScrollThreshold: -1})},
		{Site: 1, From: at, Goal: goal(config.Goal{PagePath: "/doc*", ScrollThreshold: 80})},
		{Site: 1, From: at, Goal: goal(config.Goal{PagePath: "/docs", ScrollThreshold: 81})},
		{Site: 2, From: at},
		{Site: 3, From: at},
	}
	// More than one batch, to see that the answers stay in order.
	long := slices.Repeat(selections, 25)
	visitors, err := client.Visitors(t.Context(), long)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slices.Repeat([]int{4, 3, 3, 2, 1, 1, 1, 0, 1, 0}, 25), visitors); diff != "" {
		t.Errorf("visitors (-want +got):\n%s", diff)
	}
	sources, err := client.TopSources(t.Context(), selections[:3])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]stats.Count{{{"Google", 2}, {"Bing", 1}}, {{"Bing", 1}, {"Google", 1}}, {{"Google", 2}, {"Bing", 1}}}, sources); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
	pages, err := client.TopPages(t.Context(), selections[:1])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]stats.Count{{{"/docs", 1}}}, pages); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
}

func TestBucketsTellApartWhatGoalsNeed(t *testing.T) {
	client, address := open(t, "")
	at := noon.Unix()
	insert(t, address,
		stack.Event{SiteID: 1, Pathname: "/a", Timestamp: noon}, stack.Event{SiteID: 1, Pathname: "/a", Timestamp: noon}, stack.Event{SiteID: 1, Pathname: "/b", Timestamp: noon},
		stack.Event{SiteID: 2, Pathname: "/a", Timestamp: noon}, stack.Event{SiteID: 2, Pathname: "/b", Timestamp: noon},
		stack.Event{SiteID: 1, Name: "Signup", Pathname: "/a", Props: map[string]string{"plan": "pro"}, Timestamp: noon},
		stack.Event{SiteID: 1, Name: "Signup", Pathname: "/b", Timestamp: noon},
		stack.Event{SiteID: 1, Name: "Other", Timestamp: noon},
		stack.Event{SiteID: 1, Name: "Signup", Timestamp: noon.Add(-time.Second)}, stack.Event{SiteID: 1, Name: "Signup", Timestamp: noon.Add(2 * time.Second)},
		stack.Event{SiteID: 1, Name: "engagement", Pathname: "/a", ScrollDepth: 40, Timestamp: noon}, stack.Event{SiteID: 1, Name: "engagement", Pathname: "/a", ScrollDepth: 255, Timestamp: noon},
	)
	sorted := func(buckets []stats.Bucket) []stats.Bucket {
		slices.SortFunc(buckets, func(a, b stats.Bucket) int { return strings.Compare(fmt.Sprintf("%+v", a), fmt.Sprintf("%+v", b)) })
		return buckets
	}
	question := stats.Completions{
		After: at - 1, Through: at + 1, Names: []string{"Signup", "pageview"}, PageSites: []int64{1}, PropKeys: []string{"nil", "plan"}, PropSites: []int64{1},
	}
	var got []stats.Bucket
	collect := func(b stats.Bucket) error { got = append(got, b); return nil }
	if err := client.Completions(t.Context(), question, collect); err != nil {
		t.Fatal(err)
	}
	none := []string{"", ""}
	want := []stats.Bucket{
		{Site: 1, Name: "Signup", Props: []string{"", "pro"}, Second: at, Rows: 1},
		{Site: 1, Name: "Signup", Props: none, Second: at, Rows: 1},
		{Site: 1, Name: "pageview", Path: "/a", Props: none, Second: at, Rows: 2},
		{Site: 1, Name: "pageview", Path: "/b", Props: none, Second: at, Rows: 1},
		{Site: 2, Name: "pageview", Props: []string{}, Second: at, Rows: 2},
	}
	if diff := cmp.Diff(sorted(want), sorted(got)); diff != "" {
		t.Errorf("completions (-want +got):\n%s", diff)
	}
	got = nil
	if err := client.Scrolls(t.Context(), stats.Completions{After: at - 1, Through: at + 1, Sites: []int64{1}}, collect); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]stats.Bucket{{Site: 1, Name: "engagement", Path: "/a", Depth: 40, Props: []string{}, Second: at, Rows: 1}}, got); diff != "" {
		t.Errorf("scrolls (-want +got):\n%s", diff)
	}
	got = nil
	all := stats.Completions{After: at - 1, Through: at + 1, Names: []string{strings.Repeat("x", 100<<10)}, PropKeys: []string{"plan"}}
	if err := client.Completions(t.Context(), all, collect); err != nil {
		t.Fatal(err)
	}
	if len(got) != 7 {
		t.Errorf("without restriction: %d buckets, want 7: %v", len(got), got)
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
	page := &config.Goal{PagePath: "/*", ScrollThreshold: 10, CustomProps: map[string]string{"a": "b"}}
	q := stats.Completions{After: at, Through: at, Names: []string{"pageview"}, PageSites: []int64{1}, PropKeys: []string{"a"}, PropSites: []int64{1}}
	nothing := func(stats.Bucket) error { return nil }
	_, err1 := client.Now(t.Context())
	_, err2 := client.Traffic(t.Context(), at, []int64{1})
	_, err3 := client.LastEvents(t.Context(), at, at, nil)
	_, err4 := client.Visitors(t.Context(), []stats.Selection{{Site: 1, From: at, To: at, Goal: page}})
	for _, err := range []error{err1, err2, err3, err4, client.Completions(t.Context(), q, nothing), client.Scrolls(t.Context(), q, nothing)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := stack.TestClickHouse(t).Functions(t.Context(), address[strings.LastIndex(address, "/")+1:])
	if err != nil {
		t.Fatal(err)
	}
	known := []string{
		"CAST", "_CAST", "and", "arrayElement", "arrayFilter", "arrayJoin", "array", "count", "equals", "greater", "greaterOrEquals", "if", "in", "indexOf",
		"lambda", "less", "lessOrEquals", "match", "max", "min", "notEquals", "now", "range", "toDateTime", "toString", "toUInt32", "toUInt64", "toUInt8", "tuple", "unhex", "uniq",
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
