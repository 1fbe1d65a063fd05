package evaluator

import (
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/deploy/devstack/stack"
)

// A new display name moves updated_at. It says nothing of when a later edit
// with plain SQL, which leaves updated_at alone, was made.
func TestGoalRenamedAndThenDefinedAnewWithPlainSQL(t *testing.T) {
	for name, restart := range map[string]bool{"seen by one process": false, "seen by two": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.goals(1)
			goal := w.goal(config.Goal{SiteID: 1, EventName: "Old", DisplayName: "G"})
			w.tick(0)
			edit(w, w.tables.Goals, goal, func(g *config.Goal) { g.DisplayName, g.UpdatedAt = "H", w.now })
			w.tick(poll)
			w.insert(stack.Event{SiteID: 1, Name: "New"})
			w.tick(poll)
			if restart {
				w.restart()
			}
			edit(w, w.tables.Goals, goal, func(g *config.Goal) { g.EventName = "New" })
			w.tick(poll)
			w.wants() // That row is older than the edit.
			w.insert(stack.Event{SiteID: 1, Name: "New", Timestamp: w.now.Add(time.Second)})
			w.tick(poll)
			w.wants("goal.completed site 1 H 1 by 1")
		})
	}
}
