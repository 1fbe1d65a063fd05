package evaluator

import (
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/deploy/devstack/stack"
)

// The clock of ClickHouse is ahead of PostgreSQL's, or behind it: triggers
// begin by one clock and rows are counted by the other. Every row is told once,
// at the latest when the slower clock has come to it.
func TestClockOfClickHouseIsNotOurs(t *testing.T) {
	for name, ahead := range map[string]time.Duration{
		"seconds behind": -7 * time.Second, "seconds ahead": 7 * time.Second,
		"minutes behind": -5 * time.Minute, "hours ahead": 2 * time.Hour, "hours behind": -2 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ours := noon.Add(-ahead)
			w.site(1)
			hook := w.webhook(1)
			w.goal(config.Goal{SiteID: 1, EventName: "Signup", InsertedAt: ours.Add(-time.Hour)})
			w.trigger(config.Trigger{WebhookID: hook, Type: event.GoalCompleted, Repeat: true, InsertedAt: ours})
			// Plausible's servers write timestamps by the clock of the triggers.
			inserted, told := 0, 0
			for range 12 {
				w.tick(poll)
				w.insert(stack.Event{SiteID: 1, Name: "Signup", Timestamp: w.now.Add(-ahead)})
				inserted++
			}
			w.tick(max(-ahead, 0) + poll)
			for _, d := range w.fired() {
				told += d.Data.Conversions
			}
			want := inserted
			if ahead > DefaultLateEvents {
				want = 0 // By ClickHouse's clock they come too late.
			}
			if told != want {
				t.Errorf("told %d of %d conversions, want %d", told, inserted, want)
			}
		})
	}
}

// The clock of ClickHouse steps back and forth. Nothing is told twice, whatever
// the step, and after small ones nothing is lost either.
func TestClockOfClickHouseSteps(t *testing.T) {
	for name, test := range map[string]struct {
		steps []time.Duration
		exact bool
	}{
		"by a second":               {[]time.Duration{-time.Second, time.Second, -time.Second}, true},
		"by less than the lateness": {[]time.Duration{-90 * time.Second, 90 * time.Second, -20 * time.Second}, true},
		"by minutes":                {[]time.Duration{-10 * time.Minute, 10 * time.Minute}, true},
		"forth by minutes and back": {[]time.Duration{10 * time.Minute, -10 * time.Minute}, false},
		"forth by hours and back":   {[]time.Duration{2 * time.Hour, -2 * time.Hour}, false},
		"back by hours and forth":   {[]time.Duration{-2 * time.Hour, 2 * time.Hour}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			hook, _ := w.goals(1)
			for id := range w.tables.Triggers {
				edit(w, w.tables.Triggers, id, func(t *config.Trigger) { t.InsertedAt = noon.Add(-12 * time.Hour) })
			}
			w.goal(config.Goal{SiteID: 1, EventName: "Signup", InsertedAt: noon.Add(-12 * time.Hour)})
			w.trigger(config.Trigger{WebhookID: hook, Type: event.TrafficSpike, Threshold: 1, Repeat: true, NotifyRecovery: true, CooldownSeconds: new(60), InsertedAt: noon.Add(-12 * time.Hour)})
			inserted, told, firings := 0, 0, map[string]int{}
			beat := func(real time.Time) {
				for range 4 {
					real = real.Add(poll)
					w.tick(poll)
					w.insert(stack.Event{SiteID: 1, Name: "Signup", Timestamp: real})
					inserted++
					w.tick(0)
				}
				for _, d := range w.fired() {
					if d.Type == event.GoalCompleted {
						told += d.Data.Conversions
					} else {
						firings[d.Data.Episode.ID+string(d.Type)] += 1
					}
				}
			}
			real := w.now
			beat(real)
			real = real.Add(4 * poll)
			for _, step := range test.steps {
				w.now = w.now.Add(step)
				beat(real)
				real = real.Add(4 * poll)
			}
			// At last the clock is right again.
			w.now = real
			for range 3 {
				w.tick(poll)
			}
			for _, d := range w.fired() {
				if d.Type == event.GoalCompleted {
					told += d.Data.Conversions
				}
			}
			if told > inserted || (test.exact && told < inserted) {
				t.Errorf("told %d conversions of %d rows; exactly wanted: %v", told, inserted, test.exact)
			}
			w.now = w.now.Add(time.Hour)
			w.tick(0)
			w.insert(stack.Event{SiteID: 1, Name: "Signup"})
			w.tick(poll)
			after := 0
			for _, d := range w.fired() {
				if d.Type == event.GoalCompleted {
					after += d.Data.Conversions
				}
			}
			if after != 1 {
				t.Errorf("an hour later told %d conversions, want the 1 of then", after)
			}
		})
	}
}
