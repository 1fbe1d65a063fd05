package stats_test

import (
	"slices"
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/deploy/devstack/stack"
	"plausible-webhooks/evaluator/stats"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestVisitsAreInOrderAndEachOfASecondOnce(t *testing.T) {
	client, address := open(t, "")
	at := noon.Unix()
	insert(t, address,
		stack.Event{SiteID: 1, UserID: 2, Timestamp: noon.Add(2 * time.Second)},
		stack.Event{SiteID: 1, UserID: 1, Timestamp: noon}, stack.Event{SiteID: 1, UserID: 1, Name: "Signup", Timestamp: noon},
		stack.Event{SiteID: 1, UserID: 2, Timestamp: noon}, stack.Event{SiteID: 1, UserID: 3, Name: "engagement", Timestamp: noon},
		stack.Event{SiteID: 1, UserID: 4, Timestamp: noon.Add(-time.Second)}, stack.Event{SiteID: 1, UserID: 5, Timestamp: noon.Add(3 * time.Second)},
		stack.Event{SiteID: 2, UserID: 6, Timestamp: noon},
	)
	var got []stats.Visit
	if err := client.Visits(t.Context(), 1, at, at+3, func(v stats.Visit) error {
		got = append(got, v)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(got, func(a, b stats.Visit) int { return int(a.Second - b.Second) }) {
		t.Errorf("visits %v are out of order", got)
	}
	want := []stats.Visit{{at, 1, 2}, {at, 2, 1}, {at + 2, 2, 1}}
	byVisitor := cmpopts.SortSlices(func(a, b stats.Visit) bool { return a.Second < b.Second || a.Second == b.Second && a.User < b.User })
	if diff := cmp.Diff(want, got, byVisitor); diff != "" {
		t.Errorf("visits (-want +got):\n%s", diff)
	}
}

func TestCompletionsInOrder(t *testing.T) {
	client, address := open(t, "")
	at := noon.Unix()
	read := func(user uint64, depth uint8, after time.Duration) stack.Event {
		return stack.Event{SiteID: 1, UserID: user, Name: "engagement", Pathname: "/docs/a", ScrollDepth: depth, Timestamp: noon.Add(after)}
	}
	insert(t, address,
		read(2, 70, time.Second), read(1, 60, 0), read(1, 60, 0), read(1, 59, 0), read(3, stack.ScrollDepthMissing, 0), read(4, 90, 2*time.Second),
		stack.Event{SiteID: 1, Name: "Signup", Timestamp: noon}, stack.Event{SiteID: 1, Name: "Signup", Timestamp: noon}, stack.Event{SiteID: 2, Name: "Signup", Timestamp: noon},
	)
	type completion struct {
		Second int64
		User   uint64
		Rows   int
	}
	for name, test := range map[string]struct {
		goal      config.Goal
		byVisitor bool
		want      []completion
	}{
		"scroll": {config.Goal{ID: 1, SiteID: 1, PagePath: "/docs*", ScrollThreshold: 60}, true, []completion{{at, 1, 2}, {at + 1, 2, 1}}},
		"event":  {config.Goal{ID: 2, SiteID: 1, EventName: "Signup", ScrollThreshold: -1}, false, []completion{{at, 0, 2}}},
	} {
		f := stats.NewFilter()
		f.Add(&test.goal)
		m := stats.NewMatcher([]config.Goal{test.goal})
		var got []completion
		if err := client.CompletionsInOrder(t.Context(), f, at, at+2, test.byVisitor, func(b *stats.Bucket, user uint64) error {
			m.Match(f, b, func(int64) { got = append(got, completion{b.Second, user, b.Rows}) })
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if err := client.CompletionsInOrder(t.Context(), stats.NewFilter(), at, at+2, false, nil); err != nil {
		t.Errorf("nothing asked: %v", err)
	}
}

func TestTopWithinIsTopOfEachStretch(t *testing.T) {
	client, address := open(t, "")
	insert(t, address,
		stack.Event{SiteID: 1, UserID: 1, Pathname: "/a", ReferrerSource: "Google", Timestamp: noon},
		stack.Event{SiteID: 1, UserID: 2, Pathname: "/b", ReferrerSource: "Bing", Timestamp: noon.Add(time.Minute)},
		stack.Event{SiteID: 1, UserID: 3, Pathname: "/b", Timestamp: noon.Add(time.Minute)},
		stack.Event{SiteID: 1, UserID: 4, Pathname: "/e", Name: "engagement", ReferrerSource: "X", Timestamp: noon.Add(time.Minute)},
		stack.Event{SiteID: 2, UserID: 5, Pathname: "/c", ReferrerSource: "Y", Timestamp: noon},
	)
	at := noon.Unix()
	got, err := client.TopWithin(t.Context(), 1, []stats.Stretch{{at + 60, at + 60}, {at + 1, at + 59}, {at, at + 60}})
	if err != nil {
		t.Fatal(err)
	}
	b := stats.Count{Name: "/b", Visitors: 2}
	bing := stats.Count{Name: "Bing", Visitors: 1}
	want := []stats.Top{
		{Sources: []stats.Count{bing}, Pages: []stats.Count{b}}, {},
		{Sources: []stats.Count{bing, {Name: "Google", Visitors: 1}}, Pages: []stats.Count{b, {Name: "/a", Visitors: 1}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("top (-want +got):\n%s", diff)
	}
	if _, err := client.TopWithin(t.Context(), 1, make([]stats.Stretch, stats.FewSelections+1)); err == nil {
		t.Error("more stretches than one question can have are no error")
	}
}

func TestSummariesWithinAreThoseOfEachStretch(t *testing.T) {
	client, address := open(t, "")
	read := func(user uint64, depth uint8, source string, at time.Time) stack.Event {
		return stack.Event{SiteID: 1, UserID: user, Name: "engagement", Pathname: "/docs/a", ScrollDepth: depth, ReferrerSource: source, Timestamp: at}
	}
	insert(t, address,
		read(1, 60, "Google", noon), read(1, 90, "Google", noon.Add(time.Second)), read(2, 70, "", noon.Add(time.Minute)),
		read(3, 59, "Bing", noon), read(4, stack.ScrollDepthMissing, "Bing", noon), read(5, 80, "Bing", noon.Add(time.Hour)),
	)
	at := noon.Unix()
	goal := config.Goal{ID: 1, SiteID: 1, PagePath: "/docs*", ScrollThreshold: 60}
	stretches := []stats.Stretch{{at, at + 59}, {at + 2, at + 59}, {at, at + 60}, {at + 60, at + 60}}
	got, err := client.SummariesWithin(t.Context(), goal, stretches)
	if err != nil {
		t.Fatal(err)
	}
	google := []stats.Count{{Name: "Google", Visitors: 1}}
	want := []stats.Summary{{Visitors: 1, Sources: google}, {}, {Visitors: 2, Sources: google}, {Visitors: 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("summaries (-want +got):\n%s", diff)
	}
	if got, err := client.SummariesWithin(t.Context(), goal, nil); err != nil || len(got) != 0 {
		t.Errorf("nothing asked: %v, %v", got, err)
	}
}
