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
	if got := client.Newest(); got != noon.Unix()+1 {
		t.Errorf("the newest event is of %d, want %d: seen in passing", got, noon.Unix()+1)
	}
	insert(t, address, stack.Event{SiteID: 4, Name: "Signup", Timestamp: noon.Add(5 * time.Second)})
	f := stats.NewFilter()
	f.Add(&config.Goal{SiteID: 4, EventName: "Signup"})
	if err := client.Completions(t.Context(), f, noon.Unix(), noon.Unix()+10, stats.BySecond, func(*stats.Bucket) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if got := client.Newest(); got != noon.Unix()+5 {
		t.Errorf("the newest event is of %d, want %d: that of a completed goal", got, noon.Unix()+5)
	}
	last, err := client.LastEvents(t.Context(), noon.Unix()-301, noon.Unix()-10, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[int64]int64{1: noon.Unix() - 300}, last); diff != "" {
		t.Errorf("last events (-want +got):\n%s", diff)
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
	err8 := client.Completions(t.Context(), f, at, at, stats.BySecond, func(*stats.Bucket) error { return nil })
	err9 := client.Visits(t.Context(), 1, at, at+1, func(stats.Visit) error { return nil })
	err10 := client.CompletionsInOrder(t.Context(), f, at, at+1, true, func(*stats.Bucket, uint64) error { return nil })
	_, err11 := client.TopWithin(t.Context(), 1, []stats.Stretch{{From: at, To: at}, {From: at, To: at + 1}})
	_, err12 := client.SummariesWithin(t.Context(), page, []stats.Stretch{{From: at, To: at}, {From: at, To: at + 1}})
	_, err13 := client.Server(t.Context())
	_, err14 := client.Access(t.Context())
	_, err15 := client.Freshness(t.Context(), noon)
	for _, err := range []error{err1, err2, err3, err4, err5, err6, err7, err8, err9, err10, err11, err12, err13, err14, err15} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := stack.TestClickHouse(t).Functions(t.Context(), address[strings.LastIndex(address, "/")+1:])
	if err != nil {
		t.Fatal(err)
	}
	known := []string{
		"CAST", "_CAST", "and", "getSetting", "groupUniqArray", "intDiv", "now64", "toUnixTimestamp", "toUnixTimestamp64Milli", "arrayConcat", "arrayElement", "arrayFilter", "arrayJoin", "array", "count", "equals", "greater", "greaterOrEquals", "if", "in", "indexOf",
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
