package evaluator

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/deploy/devstack/stack"
)

// eventful is a world whose next tick has every question to ask: several kinds
// of goals, scroll goals, classes of all three conditions, windows that are
// cut, and the past of a site that may have dropped.
func eventful(t *testing.T) (*world, *questions) {
	t.Helper()
	w := newWorld(t)
	q := newQuestions(t, w.events)
	q.among(w)
	w.site(1)
	w.site(2)
	hook := w.webhook(1)
	for _, g := range []config.Goal{{EventName: "Signup"}, {PagePath: "/docs*"}, {PagePath: "/docs*", ScrollThreshold: 50, DisplayName: "Read"}} {
		g.SiteID = 1
		w.goal(g)
	}
	for _, trigger := range []config.Trigger{
		{Type: event.GoalCompleted},
		{Type: event.GoalThreshold, Threshold: 1, WindowSeconds: 60, NotifyRecovery: true},
		{Type: event.TrafficSpike, Threshold: 2, WindowSeconds: 60, NotifyRecovery: true, InsertedAt: noon.Add(-30 * time.Second)},
		{Type: event.TrafficDrop, Threshold: 2, WindowSeconds: 60, NotifyRecovery: true, InsertedAt: noon.Add(-30 * time.Second)},
	} {
		trigger.WebhookID, trigger.Repeat = hook, true
		if trigger.Type == event.TrafficDrop {
			trigger.WebhookID = w.webhook(2)
		}
		w.trigger(trigger)
	}
	w.visits(2, 3, noon.Add(-time.Hour))
	w.insert(
		stack.Event{SiteID: 1, Name: "Signup", UserID: 1}, stack.Event{SiteID: 1, Pathname: "/docs/a", UserID: 2},
		stack.Event{SiteID: 1, Name: "engagement", Pathname: "/docs/a", ScrollDepth: 60, UserID: 2},
	)
	return w, q
}

// Whichever question of a tick goes unanswered, what depends on it is told
// later, once and with the same numbers, and nothing else waits for it.
func TestEverySingleQuestionUnanswered(t *testing.T) {
	w, q := eventful(t)
	q.fail(0, false)
	w.tick(0)
	total := q.count()
	var want []string
	for _, d := range w.fired() {
		want = append(want, d.String())
	}
	slices.Sort(want)
	t.Logf("%d questions for %q", total, want)
	if total < 7 || len(want) != 8 {
		t.Fatalf("%d questions for %q; want the eventful tick to ask all of them and to tell 8", total, want)
	}
	for number := 1; number <= total; number++ {
		severed := number%2 == 0
		t.Run(fmt.Sprint(number), func(t *testing.T) {
			t.Parallel()
			w, q := eventful(t)
			q.fail(number, severed)
			report, err := w.evaluate.Tick(t.Context())
			if err != nil || len(report.Unanswered) != 1 {
				t.Fatalf("the tick: %v, unanswered %v; want one part unanswered", err, report.Unanswered)
			}
			told := w.fired()
			if len(told) == len(want) {
				t.Error("everything was told, although a question went unanswered")
			}
			q.fail(0, false)
			// Scroll goals may rest for some seconds.
			for range 3 {
				w.tick(poll)
				told = append(told, w.fired()...)
			}
			var got []string
			for _, d := range told {
				got = append(got, d.String())
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("told %q in the end, want %q", got, want)
			}
		})
	}
}
