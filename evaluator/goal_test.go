package evaluator

import (
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/deploy/devstack/stack"

	"github.com/google/go-cmp/cmp"
)

// goals makes a site with one webhook that asks about every goal.
func (w *world) goals(site int64) (hook, trigger int64) {
	w.site(site)
	hook = w.webhook(site)
	return hook, w.trigger(config.Trigger{WebhookID: hook, Type: event.GoalCompleted, Repeat: true})
}

func TestGoalsOfEveryKind(t *testing.T) {
	w := newWorld(t)
	w.goals(1)
	w.site(2)
	w.goal(config.Goal{SiteID: 1, EventName: "Signup"})
	w.goal(config.Goal{SiteID: 1, EventName: "Signup", DisplayName: "Signup pro", CustomProps: map[string]string{"plan": "pro", "via": "web"}})
	w.goal(config.Goal{SiteID: 1, PagePath: "/thanks"})
	w.goal(config.Goal{SiteID: 1, PagePath: "/blog/**"})
	w.goal(config.Goal{SiteID: 1, PagePath: "/docs", DisplayName: "Docs pro", CustomProps: map[string]string{"plan": "pro"}})
	w.goal(config.Goal{SiteID: 1, PagePath: "/docs*", ScrollThreshold: 60})
	w.goal(config.Goal{SiteID: 2, EventName: "Signup"}) // Nobody asks.
	w.insert(
		stack.Event{SiteID: 1, Name: "Signup", UserID: 1, ReferrerSource: "Google"},
		stack.Event{SiteID: 1, Name: "Signup", UserID: 1, ReferrerSource: "Google"},
		stack.Event{SiteID: 1, Name: "Signup", UserID: 2, Props: map[string]string{"plan": "pro", "via": "web", "x": "y"}},
		stack.Event{SiteID: 1, Name: "Signup", UserID: 3, Props: map[string]string{"plan": "pro"}},
		stack.Event{SiteID: 2, Name: "Signup"},
		stack.Event{SiteID: 1, Pathname: "/thanks", UserID: 4}, stack.Event{SiteID: 1, Pathname: "/thanks/", UserID: 4},
		stack.Event{SiteID: 1, Name: "Other", Pathname: "/thanks"},
		stack.Event{SiteID: 1, Pathname: "/blog/a/b", UserID: 5}, stack.Event{SiteID: 1, Pathname: "/blog/", UserID: 6}, stack.Event{SiteID: 1, Pathname: "/blog", UserID: 6},
		stack.Event{SiteID: 1, Pathname: "/docs", UserID: 7, Props: map[string]string{"plan": "pro"}}, stack.Event{SiteID: 1, Pathname: "/docs", UserID: 7},
		stack.Event{SiteID: 1, Name: "engagement", Pathname: "/docs/a", UserID: 8, ScrollDepth: 60},
		stack.Event{SiteID: 1, Name: "engagement", Pathname: "/docs/a", UserID: 8, ScrollDepth: 90},
		stack.Event{SiteID: 1, Name: "engagement", Pathname: "/docs/a", UserID: 9, ScrollDepth: 59},
		stack.Event{SiteID: 1, Name: "engagement", Pathname: "/docs/a", UserID: 10, ScrollDepth: stack.ScrollDepthMissing},
	)
	report := w.tick(0)
	list := w.wants(
		"goal.completed site 1 Signup 4 by 3", "goal.completed site 1 Signup pro 1 by 1", "goal.completed site 1 /thanks 1 by 1",
		"goal.completed site 1 /blog/** 2 by 2", "goal.completed site 1 Docs pro 1 by 1", "goal.completed site 1 /docs* 1 by 1",
	)
	if report.Queries > 5 {
		t.Errorf("%d queries, want at most 5 whatever the number of goals", report.Queries)
	}
	for _, d := range list {
		if d.Data.Goal.Name == "Signup" {
			if diff := cmp.Diff([]event.Count{{Name: "Google", Visitors: 1}}, d.Data.TopSources); diff != "" {
				t.Errorf("sources (-want +got):\n%s", diff)
			}
			if want := (event.Period{From: noon, To: noon}); d.Data.Period != want {
				t.Errorf("period %v, want %v", d.Data.Period, want)
			}
		}
	}
	w.tick(poll)
	w.wants()
	w.insert(
		stack.Event{SiteID: 1, Name: "engagement", Pathname: "/docs/b", UserID: 8, ScrollDepth: 100}, // Has reached it today.
		stack.Event{SiteID: 1, Name: "engagement", Pathname: "/docs/b", UserID: 9, ScrollDepth: 61},
	)
	w.tick(poll)
	w.wants("goal.completed site 1 /docs* 1 by 2")
}

func TestLateRowsAreCountedOnceAndOnlySoLate(t *testing.T) {
	w := newWorld(t)
	w.goals(1)
	w.goal(config.Goal{SiteID: 1, EventName: "Signup"})
	signup := func(age time.Duration) stack.Event {
		return stack.Event{SiteID: 1, Name: "Signup", Timestamp: w.now.Add(-age)}
	}
	w.tick(0)
	w.insert(signup(0), signup(90*time.Second))
	w.tick(0)
	w.wants("goal.completed site 1 Signup 2 by 2")
	w.insert(signup(90*time.Second), signup(119*time.Second))
	w.tick(0)
	if got := w.wants("goal.completed site 1 Signup 2 by 3")[0].Data.Period; got != (event.Period{From: noon.Add(-119 * time.Second), To: noon.Add(-90 * time.Second)}) {
		t.Errorf("period %v; want from the oldest to the newest newly counted", got)
	}
	w.insert(signup(120*time.Second), signup(time.Hour)) // Too late.
	w.tick(poll)
	w.restart()
	w.tick(poll)
	w.wants()
	// Rows deleted, as by "reset stats" of a person with SQL: no event, and a
	// new base.
	edit(w, w.tables.Sites, 1, func(s *config.Site) { s.NativeStatsStartAt = w.now })
	w.tick(poll)
	w.wants()
	w.insert(signup(0))
	w.tick(0)
	w.wants("goal.completed site 1 Signup 1 by 1")
}

func TestDowntimeIsCaughtUpAsOneFiring(t *testing.T) {
	w := newWorld(t)
	w.goals(1)
	w.goal(config.Goal{SiteID: 1, EventName: "Signup"})
	w.goal(config.Goal{SiteID: 1, PagePath: "/x", ScrollThreshold: 50})
	w.tick(0)
	scroll := func(user uint64, at time.Time) stack.Event {
		return stack.Event{SiteID: 1, UserID: user, Name: "engagement", Pathname: "/x", ScrollDepth: 70, Timestamp: at}
	}
	for hour := range 30 {
		w.insert(stack.Event{SiteID: 1, Name: "Signup", Timestamp: w.now.Add(time.Duration(hour)*time.Hour + time.Second)})
	}
	w.insert(scroll(1, noon.Add(11*time.Hour)), scroll(2, noon.Add(11*time.Hour)), scroll(1, noon.Add(13*time.Hour)), scroll(1, noon.Add(14*time.Hour)))
	w.restart()
	w.tick(30 * time.Hour) // Longer than the lookback of 24 hours.
	w.wants("goal.completed site 1 /x 3 by 2", "goal.completed site 1 Signup 24 by 24")
	w.tick(poll)
	w.wants()
}

// A long downtime is counted in chunks of an hour; the end of one may lie
// among the seconds that are read again.
func TestDowntimeThatEndsShortlyAfterAChunk(t *testing.T) {
	for _, after := range []time.Duration{30 * time.Second, 90 * time.Second, 3 * time.Minute} {
		w := newWorld(t)
		w.goals(1)
		w.goal(config.Goal{SiteID: 1, EventName: "Signup", InsertedAt: noon.Add(-time.Hour)})
		w.tick(0) // Counted through two minutes before noon.
		w.now = noon.Add(2*time.Hour - 2*time.Minute + after)
		for ago := range 8 {
			w.insert(stack.Event{SiteID: 1, Name: "Signup", Timestamp: w.now.Add(-time.Duration(20*ago) * time.Second)})
		}
		w.tick(0)
		w.wants("goal.completed site 1 Signup 8 by 8")
		w.tick(poll)
		w.restart()
		w.tick(poll)
		w.wants()
	}
}

func TestTriggersOfOneGoalAndOfAll(t *testing.T) {
	w := newWorld(t)
	hook, all := w.goals(1)
	w.goals(2)
	own := w.goal(config.Goal{SiteID: 1, EventName: "Own"})
	w.goal(config.Goal{SiteID: 1, EventName: "Rest"})
	foreign := w.goal(config.Goal{SiteID: 2, EventName: "Own", DisplayName: "Foreign"})
	trigger := w.trigger(config.Trigger{WebhookID: hook, Type: event.GoalCompleted, GoalID: own, Repeat: true})
	w.trigger(config.Trigger{WebhookID: hook, Type: event.GoalCompleted, GoalID: foreign, Repeat: true}) // Broken.
	instance := w.trigger(config.Trigger{WebhookID: w.webhook(0), Type: event.GoalCompleted, GoalID: foreign, Repeat: true})
	both := func() {
		w.insert(stack.Event{SiteID: 1, Name: "Own"}, stack.Event{SiteID: 1, Name: "Rest"}, stack.Event{SiteID: 2, Name: "Own"})
		w.tick(poll)
	}
	both()
	by := map[int64]string{}
	for _, d := range w.wants("goal.completed site 1 Own 1 by 1", "goal.completed site 1 Rest 1 by 1", "goal.completed site 2 Foreign 1 by 1", "goal.completed site 2 Foreign 1 by 1") {
		by[d.Data.Trigger.ID] += d.Data.Goal.Name
	}
	if by[trigger] != "Own" || by[all] != "Rest" || by[instance] != "Foreign" {
		t.Errorf("told by trigger: %v; want Own by %d, Rest by %d, Foreign by %d", by, trigger, all, instance)
	}
	// Its own trigger disabled, the goal still has one; deleted, it is one of
	// all again, from then on.
	edit(w, w.tables.Triggers, trigger, func(t *config.Trigger) { t.Enabled = false })
	both()
	w.wants("goal.completed site 1 Rest 1 by 1", "goal.completed site 2 Foreign 1 by 1", "goal.completed site 2 Foreign 1 by 1")
	delete(w.tables.Triggers, trigger)
	w.publish()
	w.tick(poll)
	w.wants()
	w.now = w.now.Add(poll)
	both()
	w.wants("goal.completed site 1 Own 1 by 1", "goal.completed site 1 Rest 1 by 1", "goal.completed site 2 Foreign 1 by 1", "goal.completed site 2 Foreign 1 by 1")
	// A goal added while running counts from its own beginning.
	w.insert(stack.Event{SiteID: 1, Name: "Later"})
	w.goal(config.Goal{SiteID: 1, EventName: "Later", InsertedAt: w.now})
	w.tick(poll)
	w.insert(stack.Event{SiteID: 1, Name: "Later"})
	w.tick(poll)
	w.wants("goal.completed site 1 Later 1 by 1")
}

func TestEditedGoalCountsFromItsEdit(t *testing.T) {
	w := newWorld(t)
	w.goals(1)
	goal := w.goal(config.Goal{SiteID: 1, EventName: "Old", DisplayName: "G"})
	w.insert(stack.Event{SiteID: 1, Name: "Old"}, stack.Event{SiteID: 1, Name: "New"})
	w.tick(0)
	w.wants("goal.completed site 1 G 1 by 1")
	// Edited while nobody looked; a new name alone is no new definition.
	edit(w, w.tables.Goals, goal, func(g *config.Goal) {
		g.EventName, g.DisplayName, g.UpdatedAt = "New", "H", w.now.Add(2*time.Second)
	})
	w.restart()
	w.now = w.now.Add(3 * time.Second)
	w.insert(stack.Event{SiteID: 1, Name: "New", Timestamp: w.now.Add(-time.Second)}, stack.Event{SiteID: 1, Name: "New"}, stack.Event{SiteID: 1, Name: "Old"})
	w.tick(0)
	w.wants("goal.completed site 1 H 1 by 1")
	edit(w, w.tables.Goals, goal, func(g *config.Goal) { g.DisplayName, g.UpdatedAt = "I", w.now.Add(time.Minute) })
	w.now = w.now.Add(time.Second)
	w.insert(stack.Event{SiteID: 1, Name: "New"})
	w.tick(0)
	w.wants("goal.completed site 1 I 1 by 1")
}

func TestCooldownOfGoalsGathersAndKeepsAcrossRestarts(t *testing.T) {
	w := newWorld(t)
	hook, _ := w.goals(1)
	edit(w, w.tables.Webhooks, hook, func(h *config.Webhook) { h.Format = event.Slack })
	w.goal(config.Goal{SiteID: 1, EventName: "Signup"})
	first := w.now
	for range 61 { // Five minutes, one completion in each tick.
		w.insert(stack.Event{SiteID: 1, Name: "Signup"})
		w.tick(0)
		w.restart()
		w.now = w.now.Add(poll)
	}
	var told int
	if err := w.db.QueryRow(t.Context(), "select count(*) from plausible_webhooks.webhook_deliveries where format = 'slack'").Scan(&told); err != nil || told != 2 {
		t.Fatalf("%d chat messages in %s, want the first and one of all the rest (%v)", told, w.now.Sub(first), err)
	}
	edit(w, w.tables.Webhooks, hook, func(h *config.Webhook) { h.Format = event.Standard })
	w.fired()
	w.insert(stack.Event{SiteID: 1, Name: "Signup"})
	w.tick(0)
	w.wants("goal.completed site 1 Signup 1 by 1")
}

func TestTimeDisabledIsNotCaughtUp(t *testing.T) {
	w := newWorld(t)
	_, trigger := w.goals(1)
	w.goal(config.Goal{SiteID: 1, EventName: "Signup"})
	// One that is older: because of it the rows of before are read as well.
	other := w.goal(config.Goal{SiteID: 1, EventName: "Other"})
	w.trigger(config.Trigger{WebhookID: w.webhook(0), Type: event.GoalCompleted, GoalID: other, Repeat: true})
	w.tick(0)
	edit(w, w.tables.Triggers, trigger, func(t *config.Trigger) { t.Enabled = false })
	w.tick(poll)
	w.insert(stack.Event{SiteID: 1, Name: "Signup"})
	w.tick(poll)
	w.insert(stack.Event{SiteID: 1, Name: "Signup"})
	edit(w, w.tables.Triggers, trigger, func(t *config.Trigger) { t.Enabled, t.RestartedAt = true, w.now })
	w.tick(time.Second)
	w.wants()
	w.insert(stack.Event{SiteID: 1, Name: "Signup"})
	w.tick(0)
	w.wants("goal.completed site 1 Signup 1 by 1")
}
