package stats_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/deploy/devstack/stack"
	"plausible-webhooks/evaluator/stats"

	"github.com/google/go-cmp/cmp"
)

// What is told of rows read by visitor is what ClickHouse tells of them.
func TestAudienceTellsWhatClickHouseDoes(t *testing.T) {
	client, address := open(t, "")
	const seed = 7
	random := rand.New(rand.NewPCG(seed, seed))
	var events []stack.Event
	for range 500 {
		e := stack.Event{
			SiteID: 1, UserID: uint64(random.IntN(40)), Timestamp: noon.Add(time.Duration(random.IntN(60)) * time.Second),
			ReferrerSource: []string{"", "Google", "Bing", "Hacker News", "Lobsters", "Kagi"}[random.IntN(6)],
		}
		switch random.IntN(3) {
		case 0:
			e.Name = "Signup"
		case 1:
			e.Pathname = fmt.Sprintf("/blog/%d", random.IntN(3))
		default:
			e.Name, e.Pathname, e.ScrollDepth = "engagement", "/docs", uint8(random.IntN(101))
		}
		events = append(events, e)
	}
	insert(t, address, events...)
	goals := []config.Goal{
		{ID: 1, SiteID: 1, EventName: "Signup", ScrollThreshold: config.NoScrollThreshold},
		{ID: 2, SiteID: 1, PagePath: "/blog/*", ScrollThreshold: config.NoScrollThreshold},
		{ID: 3, SiteID: 1, PagePath: "/blog/1", ScrollThreshold: config.NoScrollThreshold},
		{ID: 4, SiteID: 1, PagePath: "/docs", ScrollThreshold: 50},
		{ID: 5, SiteID: 1, EventName: "Nobody does this", ScrollThreshold: config.NoScrollThreshold},
	}
	f, m := stats.NewFilter(), stats.NewMatcher(goals)
	for _, g := range goals {
		f.Add(&g)
	}
	after, through := noon.Unix()+9, noon.Unix()+50
	audience := stats.NewAudience(after, through)
	last := int64(0)
	if err := client.Completions(t.Context(), f, after, through, stats.ByVisitor, func(b *stats.Bucket) error {
		if b.Second < last {
			t.Errorf("second %d comes after %d", b.Second, last)
		}
		last = b.Second
		m.Match(f, b, func(goal int64) { audience.Add(goal, b) })
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var selections []stats.Selection
	for _, g := range goals {
		for range 5 {
			from := after + 1 + random.Int64N(through-after)
			selections = append(selections, stats.Selection{Goal: g, From: from, To: from + random.Int64N(through-from+1)})
		}
		selections = append(selections, stats.Selection{Goal: g, From: after + 1, To: through})
	}
	want, err := client.Summaries(t.Context(), selections)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range selections {
		got, known := audience.Summary(s)
		if diff := cmp.Diff(want[i], got); diff != "" || !known {
			t.Errorf("goal %d from %d to %d: known %t (-want +got):\n%s", s.Goal.ID, s.From, s.To, known, diff)
		}
	}
}

func TestAudienceKnowsWhatItDoesNotKnow(t *testing.T) {
	goal := config.Goal{ID: 1, SiteID: 1, EventName: "Signup", ScrollThreshold: config.NoScrollThreshold}
	audience := stats.NewAudience(100, 200)
	for _, test := range []struct {
		from, to int64
		known    bool
	}{{101, 200, true}, {100, 200, false}, {101, 201, false}, {150, 150, true}} {
		if _, known := audience.Summary(stats.Selection{Goal: goal, From: test.from, To: test.to}); known != test.known {
			t.Errorf("from %d to %d: known %t, want %t", test.from, test.to, known, test.known)
		}
	}
	for user := range uint64(60_000) {
		audience.Add(1, &stats.Bucket{Site: 1, Name: "Signup", Second: 150, User: user, Rows: 1})
	}
	if _, known := audience.Summary(stats.Selection{Goal: goal, From: 150, To: 150}); known || !audience.Crowded() {
		t.Errorf("of a crowd: known %t, crowded %t; want false, true", known, audience.Crowded())
	}
	var none *stats.Audience
	if _, known := none.Summary(stats.Selection{Goal: goal, From: 150, To: 150}); known {
		t.Error("no audience knows something")
	}
}
