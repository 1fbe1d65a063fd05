package evaluator

import (
	"testing"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/deploy/devstack/stack"
)

// takeover is a goal with a trigger of its own beside one for all goals.
func takeover(t *testing.T) (w *world, own int64) {
	t.Helper()
	w = newWorld(t)
	hook, _ := w.goals(1)
	goal := w.goal(config.Goal{SiteID: 1, EventName: "Signup"})
	own = w.trigger(config.Trigger{WebhookID: hook, Type: event.GoalCompleted, GoalID: goal, Repeat: true})
	return w, own
}

func signup() stack.Event { return stack.Event{SiteID: 1, Name: "Signup"} }

// A goal's own trigger is deleted while the evaluator is away: what it has told
// is not told again by the one for all goals.
func TestGoalTakenOverWhileNobodyLooked(t *testing.T) {
	w, own := takeover(t)
	w.insert(signup())
	w.tick(0)
	w.wants("goal.completed site 1 Signup 1 by 1")
	delete(w.tables.Triggers, own)
	w.publish()
	w.restart()
	w.tick(poll)
	w.wants()
	w.insert(signup())
	w.tick(poll)
	w.wants("goal.completed site 1 Signup 1 by 1")
	w.insert(signup())
	w.restart()
	w.tick(poll)
	w.wants("goal.completed site 1 Signup 1 by 1")
}

// A process that led long ago leads again: that the goal was taken over
// meanwhile is no news, and no reason to leave rows out.
func TestGoalTakenOverWhileAnotherLed(t *testing.T) {
	w, own := takeover(t)
	other := w.evaluate
	w.tick(0)
	w.restart()
	delete(w.tables.Triggers, own)
	w.publish()
	w.tick(poll)
	w.insert(signup())
	w.tick(poll)
	w.wants("goal.completed site 1 Signup 1 by 1")
	w.insert(signup())
	w.evaluate = other
	w.tick(poll)
	w.wants("goal.completed site 1 Signup 1 by 1")
}
