package evaluator

import (
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
)

// What a trigger remembers of long ago is looked through at the very tick that
// gives it a state of its new type.
func TestPurgeAtTheTickOfATriggersNewType(t *testing.T) {
	for name, test := range map[string]struct {
		from, to event.Type
		want     string
	}{
		"a threshold becomes completions": {event.GoalThreshold, event.GoalCompleted, "goal.completed site 1 Signup 2 by 2"},
		"completions become a threshold":  {event.GoalCompleted, event.GoalThreshold, "goal.threshold site 1 Signup 2 by 2"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.site(1)
			w.goal(config.Goal{SiteID: 1, EventName: "Signup"})
			trigger := w.trigger(config.Trigger{WebhookID: w.webhook(1), Type: test.from, Threshold: 2, WindowSeconds: 60, CooldownSeconds: new(0), Repeat: true})
			w.signups(1, 2, w.now)
			w.tick(0)
			w.tick(time.Hour)
			w.tick(poll)
			w.fired()
			// Rows of after a day and an hour, seen by a new process, which
			// looks through its states at once.
			w.now = w.now.Add(25 * time.Hour)
			w.exec("update plausible_webhooks.trigger_states set updated_at = $1", w.now.Add(-25*time.Hour))
			edit(w, w.tables.Triggers, trigger, func(t *config.Trigger) { t.Type, t.RestartedAt = test.to, w.now.Add(-time.Second) })
			w.signups(1, 2, w.now)
			w.restart()
			w.tick(0)
			w.wants(test.want)
		})
	}
}
