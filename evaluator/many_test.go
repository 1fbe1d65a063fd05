package evaluator

import (
	"fmt"
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/deploy/devstack/stack"
)

// mostQueries is what a tick may ask, whatever the number of goals.
const mostQueries = 8

// addGoals adds n goals to a site, a quarter of them pages, half of those with
// wildcards, and makes one view of them.
func (w *world) addGoals(site int64, n int) {
	before := w.now.Add(-time.Hour)
	for i := range n {
		g := config.Goal{ID: w.id(), SiteID: site, ScrollThreshold: config.NoScrollThreshold, InsertedAt: before, UpdatedAt: before}
		switch i % 8 {
		case 0:
			g.PagePath = fmt.Sprintf("/page%d", i)
		case 1:
			g.PagePath = fmt.Sprintf("/wild%d/*", i)
		default:
			g.EventName = fmt.Sprintf("Event %d", i)
		}
		g.DisplayName = g.EventName + g.PagePath
		w.tables.Goals[g.ID] = g
	}
	w.publish()
}

// completion is a row that completes the i-th goal of addGoals.
func completionOf(site uint64, i int, user uint64, at time.Time) stack.Event {
	e := stack.Event{SiteID: site, UserID: user, Timestamp: at}
	switch i % 8 {
	case 0:
		e.Pathname = fmt.Sprintf("/page%d", i)
	case 1:
		e.Pathname = fmt.Sprintf("/wild%d/x", i)
	default:
		e.Name = fmt.Sprintf("Event %d", i)
	}
	return e
}

func TestTenThousandGoals(t *testing.T) {
	const sites, onOne, onOthers = 10, 1000, 1000
	w := newWorld(t)
	w.goals(1)
	w.addGoals(1, onOne)
	for site := int64(2); site <= sites; site++ {
		w.site(site)
		w.addGoals(site, onOthers)
	}
	w.trigger(config.Trigger{WebhookID: w.webhook(0), Type: event.GoalCompleted, Repeat: true})
	first := w.tick(0)
	var events []stack.Event
	for site := range uint64(sites) {
		for i := range onOne {
			if i%100 < 8 {
				events = append(events, completionOf(site+1, i, 1, w.now), completionOf(site+1, i, 2, w.now))
			}
		}
	}
	w.insert(events...)
	second := w.tick(poll)
	quiet := w.tick(poll)
	t.Logf("ticks of 10,000 goals took %v, %v with %d rows in %d queries, and %v", first.Took, second.Took, len(events), second.Queries, quiet.Took)
	if second.Queries > mostQueries || quiet.Queries > 1 {
		t.Errorf("%d queries with rows and %d without; want %d and 1 at most", second.Queries, quiet.Queries, mostQueries)
	}
	told := map[string]int{}
	for _, d := range w.fired() {
		if d.Data.Conversions != 2 || *d.Data.Visitors != 2 {
			t.Fatalf("told %s, want 2 by 2", d)
		}
		told[fmt.Sprint(d.Data.Trigger.ID, d.Data.Goal.ID)]++
	}
	if want := sites*80 + 80; len(told) != want { // Site 1 has a trigger of its own besides.
		t.Errorf("told of %d triggers and goals, want %d", len(told), want)
	}
}

// Thousands of goals fire at once: everything is told within a few ticks.
func TestThousandsOfGoalsFireAtOnce(t *testing.T) {
	const goals = 3000
	w := newWorld(t)
	w.goals(1)
	w.trigger(config.Trigger{WebhookID: w.webhook(1), Type: event.GoalThreshold, Threshold: 1, WindowSeconds: 60, Repeat: true})
	w.addGoals(1, goals)
	w.tick(0)
	var events []stack.Event
	for i := range goals {
		events = append(events, completionOf(1, i, uint64(i), w.now), completionOf(1, i, uint64(i+1), w.now))
	}
	w.insert(events...)
	conversions, thresholds := 0, 0
	for range 4 {
		report := w.tick(poll)
		t.Logf("a tick with %d firings took %v and %d queries", report.Firings, report.Took, report.Queries)
		if report.Queries > mostQueries {
			t.Errorf("%d queries, want %d at most", report.Queries, mostQueries)
		}
	}
	for _, d := range w.fired() {
		if d.Type == event.GoalCompleted {
			conversions += d.Data.Conversions
		} else {
			thresholds++
		}
	}
	if conversions != 2*goals || thresholds != goals {
		t.Errorf("told %d conversions and %d thresholds, want %d and %d", conversions, thresholds, 2*goals, goals)
	}
}

func TestScrollGoalsByTheHundred(t *testing.T) {
	const goals = 300
	w := newWorld(t)
	w.goals(1)
	before := w.now.Add(-time.Hour)
	for i := range goals {
		id := w.id()
		w.tables.Goals[id] = config.Goal{ID: id, SiteID: 1, PagePath: fmt.Sprintf("/page%d", i), ScrollThreshold: 50, DisplayName: fmt.Sprint(i), InsertedAt: before, UpdatedAt: before}
	}
	w.publish()
	w.tick(0)
	var events []stack.Event
	for i := range goals {
		for user := range uint64(3) {
			read := stack.Event{SiteID: 1, UserID: user + 1, Name: "engagement", Pathname: fmt.Sprintf("/page%d", i), ScrollDepth: uint8(40 + 10*user), Timestamp: w.now}
			events = append(events, read, read)
		}
	}
	w.insert(events...)
	for range 6 {
		w.evaluate.scrollsRest = 0 // Resting is about the load of this machine.
		if report := w.tick(poll); report.Queries > mostQueries {
			t.Errorf("%d queries, want %d at most", report.Queries, mostQueries)
		}
	}
	list := w.fired()
	for _, d := range list {
		if d.Data.Conversions != 2 {
			t.Fatalf("told %s, want the 2 who reached it", d)
		}
	}
	if len(list) != goals {
		t.Errorf("told of %d scroll goals, want %d", len(list), goals)
	}
}
