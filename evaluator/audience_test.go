package evaluator

import (
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/deploy/devstack/stack"
)

// What a goal's message says of its visitors is read with the completions.
func TestGoalsAreToldWithOneQuestion(t *testing.T) {
	w := newWorld(t)
	w.goals(1)
	w.goal(config.Goal{SiteID: 1, EventName: "Signup"})
	w.goal(config.Goal{SiteID: 1, PagePath: "/thanks"})
	w.tick(0)
	w.insert(
		stack.Event{SiteID: 1, Name: "Signup", UserID: 1, ReferrerSource: "Google"}, stack.Event{SiteID: 1, Name: "Signup", UserID: 1},
		stack.Event{SiteID: 1, Pathname: "/thanks", UserID: 2},
	)
	if report := w.tick(0); report.Queries != 1 {
		t.Errorf("%d queries, want 1", report.Queries)
	}
	for _, d := range w.wants("goal.completed site 1 Signup 2 by 1", "goal.completed site 1 /thanks 1 by 1") {
		if d.Data.Goal.Name == "Signup" && (len(d.Data.TopSources) != 1 || d.Data.TopSources[0] != event.Count{Name: "Google", Visitors: 1}) {
			t.Errorf("sources %v, want Google once", d.Data.TopSources)
		}
	}
}

// What waited through a cooldown, and a crowd, are asked for.
func TestVisitorsThatWereNotReadAreAskedFor(t *testing.T) {
	w := newWorld(t)
	w.site(1)
	w.trigger(config.Trigger{WebhookID: w.webhook(1), Type: event.GoalCompleted, CooldownSeconds: new(600), Repeat: true})
	w.goal(config.Goal{SiteID: 1, EventName: "Signup"})
	w.tick(0)
	signup := func(user uint64) { w.insert(stack.Event{SiteID: 1, Name: "Signup", UserID: user}) }
	signup(1)
	w.tick(0)
	w.wants("goal.completed site 1 Signup 1 by 1")
	for user := range uint64(3) {
		w.tick(2 * time.Minute)
		signup(10 + user)
	}
	w.wants()
	w.tick(4 * time.Minute)
	w.wants("goal.completed site 1 Signup 3 by 3")

	w.evaluate.crowded = true
	signup(20)
	w.tick(10 * time.Minute)
	w.wants("goal.completed site 1 Signup 1 by 1")
	if w.evaluate.crowded {
		t.Error("still crowded after one completion")
	}
}
