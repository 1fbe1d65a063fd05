package evaluator

import (
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
)

// A threshold is raised above the visitors and lowered again: the condition
// holds anew, and an episode that no cooldown forbids fires.
func TestThresholdRaisedAndLowered(t *testing.T) {
	for name, after := range map[string]time.Duration{
		"at each tick": poll,
		// Ticks out of turn follow a change after a fifth of a second.
		"within a second": 0,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.site(1)
			trigger := w.trigger(config.Trigger{WebhookID: w.webhook(1), Type: event.TrafficSpike, Threshold: 3, NotifyRecovery: true, CooldownSeconds: new(0)})
			w.visits(1, 4, w.now)
			w.tick(0)
			w.wants("traffic.spike site 1 4")
			set := func(threshold int) {
				edit(w, w.tables.Triggers, trigger, func(t *config.Trigger) { t.Threshold = threshold })
				w.tick(after)
			}
			set(9)
			w.wants("traffic.spike.ended site 1 changed")
			set(3)
			w.wants("traffic.spike site 1 4")
			set(9)
			w.wants("traffic.spike.ended site 1 changed")
		})
	}
}
