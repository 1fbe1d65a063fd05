package evaluator

import (
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/deploy/devstack/stack"
)

// Traffic is asked about while goals are counted, and not only afterwards.
func TestTrafficIsAskedWhileGoalsAreCounted(t *testing.T) {
	w := newWorld(t)
	hook, _ := w.goals(1)
	w.goal(config.Goal{SiteID: 1, EventName: "Signup"})
	w.trigger(config.Trigger{WebhookID: hook, Type: event.TrafficSpike, Threshold: 1, Repeat: true})
	q := newQuestions(t, w.events)
	asked := make(chan struct{})
	q.hold = func(query string) {
		switch {
		case strings.Contains(query, "min(timestamp)"):
			close(asked)
		case strings.Contains(query, "goal_name"):
			select {
			case <-asked:
			case <-time.After(10 * time.Second): // A tick takes milliseconds.
				t.Error("goals were counted for 10 s and traffic was not asked about")
			}
		}
	}
	q.among(w)
	w.insert(stack.Event{SiteID: 1, Name: "Signup", UserID: 1})
	w.tick(0)
	w.wants("goal.completed site 1 Signup 1 by 1", "traffic.spike site 1 1")
}
