package evaluator

import (
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/deploy/devstack/stack"

	"github.com/google/go-cmp/cmp"
)

// threshold makes a site with a goal.threshold trigger for every goal.
func (w *world) threshold(site int64, threshold int) (hook, trigger int64) {
	w.site(site)
	hook = w.webhook(site)
	return hook, w.trigger(config.Trigger{WebhookID: hook, Type: event.GoalThreshold, Threshold: threshold, Repeat: true, NotifyRecovery: true})
}

func (w *world) signups(site uint64, n int, at time.Time) {
	w.t.Helper()
	var events []stack.Event
	for range n {
		events = append(events, stack.Event{SiteID: site, Name: "Signup", Timestamp: at})
	}
	w.insert(events...)
}

func TestGoalCompletedAsOftenAsAThreshold(t *testing.T) {
	w := newWorld(t)
	w.threshold(1, 3)
	w.goal(config.Goal{SiteID: 1, EventName: "Signup"})
	w.goal(config.Goal{SiteID: 1, PagePath: "/docs*"})
	w.insert(
		stack.Event{SiteID: 1, Name: "Signup", UserID: 1, ReferrerSource: "Google", Timestamp: noon.Add(-50 * time.Minute)},
		stack.Event{SiteID: 1, Name: "Signup", UserID: 1, ReferrerSource: "Google", Timestamp: noon.Add(-time.Minute)},
		stack.Event{SiteID: 1, Name: "Signup", UserID: 2, Timestamp: noon.Add(-61 * time.Minute)}, // Outside of the hour.
		stack.Event{SiteID: 1, Pathname: "/docs/a"}, stack.Event{SiteID: 1, Pathname: "/docs/b"},
	)
	w.now = w.now.Add(-time.Second)
	edit(w, w.tables.Triggers, 102, func(t *config.Trigger) { t.InsertedAt = noon.Add(-2 * time.Hour) })
	for id := range w.tables.Goals {
		edit(w, w.tables.Goals, id, func(g *config.Goal) { g.InsertedAt, g.UpdatedAt = noon.Add(-2*time.Hour), noon.Add(-2*time.Hour) })
	}
	w.tick(time.Second)
	w.wants()
	w.insert(stack.Event{SiteID: 1, Name: "Signup", UserID: 3})
	w.tick(36 * time.Second) // A hundredth of the window.
	first := w.wants("goal.threshold site 1 Signup 3 by 2")[0].Data
	if diff := cmp.Diff([]event.Count{{Name: "Google", Visitors: 1}}, first.TopSources); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
	if first.Goal.Kind != "event" || *first.Trigger.Threshold != 3 || *first.Trigger.WindowSeconds != 3600 || *first.Trigger.CooldownSeconds != 43200 {
		t.Errorf("goal %+v, trigger %d, %d, %d; want an event, 3, 3600, 43200", first.Goal, *first.Trigger.Threshold, *first.Trigger.WindowSeconds, *first.Trigger.CooldownSeconds)
	}
	w.signups(1, 4, w.now)
	w.insert(stack.Event{SiteID: 1, Pathname: "/docs/c"})
	w.restart()
	w.tick(40 * time.Second)
	w.wants("goal.threshold site 1 /docs* 3 by 3")
	w.tick(61 * time.Minute)
	w.wants()
	w.tick(40 * time.Second)
	for _, d := range w.wants("goal.threshold.ended site 1 Signup recovered", "goal.threshold.ended site 1 /docs* recovered") {
		if d.Data.Goal.Name == "Signup" && (d.Data.PeakConversions != 7 || d.Data.Conversions != 0 || d.Data.Episode.ID != first.Episode.ID) {
			t.Errorf("end %+v; want the peak of 7, none now, and the episode of the beginning", d.Data)
		}
	}
	w.signups(1, 9, w.now) // Within the cooldown: a quiet episode.
	w.tick(40 * time.Second)
	w.tick(2 * time.Hour)
	w.tick(40 * time.Second)
	w.wants()
}

func TestWindowsOfGoalsAreCutWhereCountingBegins(t *testing.T) {
	for name, test := range map[string]struct {
		cut func(w *world, trigger, goal int64, at time.Time)
	}{
		"at the trigger's start": {func(w *world, trigger, _ int64, at time.Time) {
			edit(w, w.tables.Triggers, trigger, func(t *config.Trigger) { t.RestartedAt = at })
		}},
		"at the goal's definition": {func(w *world, _, goal int64, at time.Time) {
			edit(w, w.tables.Goals, goal, func(g *config.Goal) { g.InsertedAt, g.UpdatedAt = at, at })
		}},
		"where statistics begin": {func(w *world, _, _ int64, at time.Time) {
			edit(w, w.tables.Sites, 1, func(s *config.Site) { s.NativeStatsStartAt = at.Add(time.Second) })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			_, trigger := w.threshold(1, 3)
			goal := w.goal(config.Goal{SiteID: 1, EventName: "Signup"})
			w.signups(1, 5, noon.Add(-10*time.Minute))
			w.signups(1, 2, noon.Add(-time.Minute))
			test.cut(w, trigger, goal, noon.Add(-10*time.Minute))
			w.tick(0)
			w.wants()
			w.signups(1, 1, w.now)
			w.tick(40 * time.Second)
			w.wants("goal.threshold site 1 Signup 3 by 3")
		})
	}
}

func TestScrollGoalsReachAThresholdByVisitors(t *testing.T) {
	w := newWorld(t)
	w.threshold(1, 3)
	w.goal(config.Goal{SiteID: 1, PagePath: "/docs*", ScrollThreshold: 60})
	read := func(user uint64, depth uint8) stack.Event {
		return stack.Event{SiteID: 1, UserID: user, Name: "engagement", Pathname: "/docs/a", ScrollDepth: depth}
	}
	w.insert(read(1, 60), read(1, 70), read(1, 80), read(2, 90), read(3, 59), read(4, stack.ScrollDepthMissing))
	w.tick(0)
	w.wants()
	w.insert(read(3, 61))
	w.tick(40 * time.Second)
	w.wants("goal.threshold site 1 /docs* 3 by 3")
}

func TestThresholdTriggersOfOneGoalAndOfAll(t *testing.T) {
	w := newWorld(t)
	hook, _ := w.threshold(1, 2)
	own := w.goal(config.Goal{SiteID: 1, EventName: "Signup"})
	w.goal(config.Goal{SiteID: 1, EventName: "Other"})
	w.trigger(config.Trigger{WebhookID: hook, Type: event.GoalThreshold, GoalID: own, Threshold: 4, WindowSeconds: 60, Repeat: true})
	w.trigger(config.Trigger{WebhookID: hook, Type: event.GoalCompleted, Repeat: true})
	w.site(2)
	w.goal(config.Goal{SiteID: 2, EventName: "Signup", DisplayName: "Foreign"})
	w.trigger(config.Trigger{WebhookID: w.webhook(2), Type: event.GoalThreshold, GoalID: own, Threshold: 1, Repeat: true}) // Broken.
	w.trigger(config.Trigger{WebhookID: w.webhook(0), Type: event.GoalThreshold, Threshold: 3, Repeat: true})
	w.signups(1, 3, w.now)
	w.signups(2, 1, w.now)
	w.insert(stack.Event{SiteID: 1, Name: "Other"}, stack.Event{SiteID: 1, Name: "Other"})
	w.tick(0)
	w.wants("goal.completed site 1 Signup 3 by 3", "goal.completed site 1 Other 2 by 2", "goal.threshold site 1 Other 2 by 2", "goal.threshold site 1 Signup 3 by 3")
	w.signups(1, 1, w.now)
	w.signups(2, 2, w.now)
	w.tick(poll) // The window of a minute has its turn at each tick, the hour has not.
	w.wants("goal.completed site 1 Signup 1 by 4", "goal.threshold site 1 Signup 4 by 4")
	w.tick(40 * time.Second)
	w.wants("goal.threshold site 2 Foreign 3 by 3")
}

func TestEndsOfThresholdsThatPeopleCause(t *testing.T) {
	for name, test := range map[string]struct {
		change func(w *world, trigger, goal int64)
		want   []string
	}{
		"trigger disabled": {func(w *world, trigger, _ int64) {
			edit(w, w.tables.Triggers, trigger, func(t *config.Trigger) { t.Enabled = false })
		}, []string{"goal.threshold.ended site 1 Signup changed"}},
		"trigger deleted": {func(w *world, trigger, _ int64) {
			delete(w.tables.Triggers, trigger)
			w.publish()
		}, []string{"goal.threshold.ended site 1 Signup removed"}},
		"goal deleted": {func(w *world, _, goal int64) {
			delete(w.tables.Goals, goal)
			w.publish()
		}, []string{"goal.threshold.ended site 1 Signup removed"}},
		"goal defined anew": {func(w *world, _, goal int64) {
			edit(w, w.tables.Goals, goal, func(g *config.Goal) { g.EventName, g.UpdatedAt = "Other", w.now })
		}, []string{"goal.threshold.ended site 1 Signup changed"}},
		"goal renamed": {func(w *world, _, goal int64) {
			edit(w, w.tables.Goals, goal, func(g *config.Goal) { g.DisplayName, g.UpdatedAt = "Other", w.now })
		}, nil},
		"goal with a trigger of its own": {func(w *world, trigger, goal int64) {
			w.trigger(config.Trigger{WebhookID: w.tables.Triggers[trigger].WebhookID, Type: event.GoalThreshold, GoalID: goal, Threshold: 9, Repeat: true})
		}, []string{"goal.threshold.ended site 1 Signup changed"}},
		"threshold raised": {func(w *world, trigger, _ int64) {
			edit(w, w.tables.Triggers, trigger, func(t *config.Trigger) { t.Threshold = 100 })
		}, []string{"goal.threshold.ended site 1 Signup changed"}},
		"of every completion from now on": {func(w *world, trigger, _ int64) {
			edit(w, w.tables.Triggers, trigger, func(t *config.Trigger) {
				t.Type, t.Threshold, t.RestartedAt = event.GoalCompleted, 0, w.now
			})
		}, []string{"goal.threshold.ended site 1 Signup changed"}},
		"of traffic from now on": {func(w *world, trigger, _ int64) {
			edit(w, w.tables.Triggers, trigger, func(t *config.Trigger) { t.Type, t.RestartedAt = event.TrafficSpike, w.now })
		}, []string{"goal.threshold.ended site 1 Signup changed"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			_, trigger := w.threshold(1, 3)
			goal := w.goal(config.Goal{SiteID: 1, EventName: "Signup"})
			w.signups(1, 3, w.now)
			w.tick(0)
			w.wants("goal.threshold site 1 Signup 3 by 3")
			test.change(w, trigger, goal)
			w.tick(poll)
			w.tick(poll)
			w.wants(test.want...)
			w.restart()
			w.signups(1, 1, w.now)
			w.tick(40 * time.Second)
			if name == "of every completion from now on" {
				w.wants("goal.completed site 1 Signup 1 by 1")
			} else {
				w.wants()
			}
		})
	}
}

// A trigger of completions becomes one of a threshold and the reverse; under
// one key states of two kinds follow each other.
func TestATriggerChangesItsTypeThereAndBack(t *testing.T) {
	w := newWorld(t)
	_, trigger := w.goals(1)
	w.goal(config.Goal{SiteID: 1, EventName: "Signup"})
	become := func(kind event.Type, threshold int) {
		w.now = w.now.Add(time.Second)
		edit(w, w.tables.Triggers, trigger, func(t *config.Trigger) {
			t.Type, t.Threshold, t.NotifyRecovery, t.RestartedAt = kind, threshold, true, w.now
		})
		w.now = w.now.Add(time.Second)
	}
	w.signups(1, 1, w.now)
	w.tick(0)
	w.wants("goal.completed site 1 Signup 1 by 1")
	for range 2 {
		become(event.GoalThreshold, 2)
		w.signups(1, 2, w.now)
		w.tick(0)
		w.wants("goal.threshold site 1 Signup 2 by 2")
		w.restart()
		become(event.GoalCompleted, 0)
		w.tick(0)
		w.wants("goal.threshold.ended site 1 Signup changed")
		w.signups(1, 2, w.now)
		w.tick(time.Second)
		w.wants("goal.completed site 1 Signup 2 by 2")
	}
}
