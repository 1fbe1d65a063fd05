package evaluator

import (
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/deploy/devstack/stack"
)

// Rows later than the permitted lateness are told to the operator, once.
func TestLateRowsAreCountedForTheOperator(t *testing.T) {
	w := newWorld(t)
	w.goals(1)
	w.goal(config.Goal{SiteID: 1, EventName: "Signup"})
	w.tick(0)
	minutes := func(n int) {
		for range n {
			w.tick(time.Minute)
		}
	}
	w.insert(stack.Event{SiteID: 1, Name: "Signup"})
	minutes(5)
	w.insert( // Five minutes late; one within its lateness, and one of another name.
		stack.Event{SiteID: 1, Name: "Signup", Timestamp: noon.Add(2 * time.Second)}, stack.Event{SiteID: 1, Name: "Signup", Timestamp: noon.Add(3 * time.Second)},
		stack.Event{SiteID: 1, Name: "Signup", Timestamp: w.now.Add(-time.Minute)}, stack.Event{SiteID: 1, Name: "Other", Timestamp: noon.Add(2 * time.Second)},
	)
	minutes(12)
	if got := w.evaluate.Counters().LateRows; got != 0 {
		t.Errorf("%d late rows after 17 minutes; the last ten are not looked at yet", got)
	}
	minutes(8)
	if got := w.evaluate.Counters().LateRows; got != 2 {
		t.Errorf("%d late rows, want 2", got)
	}
	minutes(30)
	if got := w.evaluate.Counters().LateRows; got != 2 {
		t.Errorf("%d late rows in the end, want 2 still", got)
	}
	w.wants("goal.completed site 1 Signup 1 by 1", "goal.completed site 1 Signup 1 by 1")
}
