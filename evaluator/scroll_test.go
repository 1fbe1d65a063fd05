package evaluator

import (
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/deploy/devstack/stack"
)

// Visitors of before the statistics were reset, or of another definition of the
// goal, do not stand for those who reach it afterwards.
func TestVisitorsReachAScrollGoalAnew(t *testing.T) {
	for name, change := range map[string]func(w *world, goal int64){
		"after statistics were reset": func(w *world, _ int64) {
			edit(w, w.tables.Sites, 1, func(s *config.Site) { s.NativeStatsStartAt = w.now })
		},
		"after the goal was defined anew": func(w *world, goal int64) {
			edit(w, w.tables.Goals, goal, func(g *config.Goal) { g.ScrollThreshold, g.UpdatedAt = 60, w.now })
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.goals(1)
			goal := w.goal(config.Goal{SiteID: 1, PagePath: "/docs", ScrollThreshold: 50, DisplayName: "Read"})
			read := func(user uint64) {
				w.insert(stack.Event{SiteID: 1, UserID: user, Name: "engagement", Pathname: "/docs", ScrollDepth: 70})
				w.tick(2 * time.Second)
				w.evaluate.scrollsRest = 0 // Resting is about load.
			}
			read(1)
			read(2)
			read(3)
			w.wants("goal.completed site 1 Read 1 by 1", "goal.completed site 1 Read 1 by 1", "goal.completed site 1 Read 1 by 1")
			w.now = w.now.Add(time.Second)
			change(w, goal)
			w.now = w.now.Add(time.Second)
			read(4)
			w.wants("goal.completed site 1 Read 1 by 1")
			read(4)
			w.wants()
			read(5)
			w.wants("goal.completed site 1 Read 1 by 1")
		})
	}
}
