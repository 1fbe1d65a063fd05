package evaluator

import (
	"encoding/binary"
	"hash/fnv"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
)

// The defaults of deploy/REFERENCE.md section 3, in seconds.
const (
	defaultSpikeWindow  = 300
	defaultDropWindow   = 43200
	defaultGoalWindow   = 3600
	defaultCooldown     = 43200
	defaultChatCooldown = 300 // Of completed goals, where people read along.
)

// rule is what a trigger asks for on one site and of one goal, with every
// default filled in. All times are Unix seconds.
type rule struct {
	trigger, webhook int64
	site             int64 // Zero: every site of the instance.
	goal             int64 // Zero: a rule of traffic, or of every goal.
	kind             event.Type
	threshold        int // Visitors or conversions; zero for completed goals.
	window           int // Seconds; zero for completed goals.
	cooldown         int // Seconds; zero: none.
	repeat, recovery bool
	start            int64 // Nothing up to and including this second counts.
}

// newRule fills the defaults in. A traffic trigger without a threshold of its
// own has none yet.
func newRule(w config.Webhook, t config.Trigger) rule {
	r := rule{
		trigger: t.ID, webhook: w.ID, site: w.SiteID, goal: t.GoalID, kind: t.Type,
		threshold: t.Threshold, window: t.WindowSeconds, cooldown: defaultCooldown,
		repeat: t.Repeat, recovery: t.NotifyRecovery, start: unixSeconds(t.StartedAt(w)),
	}
	switch {
	case t.Type == event.GoalCompleted:
		r.threshold, r.window, r.cooldown = 0, 0, 0
		if w.Format != event.Standard {
			r.cooldown = defaultChatCooldown
		}
	case r.window != 0:
	case t.Type == event.TrafficDrop:
		r.window = defaultDropWindow
	case t.Type == event.GoalThreshold:
		r.window = defaultGoalWindow
	default:
		r.window = defaultSpikeWindow
	}
	if t.CooldownSeconds != nil {
		r.cooldown = *t.CooldownSeconds
	}
	return r
}

// holds reports whether a value meets the rule's condition.
func (r rule) holds(value int) bool { return conditionHolds(r.kind, value, r.threshold) }

// conditionHolds is the condition of each kind: a drop is strictly below its
// threshold, as in Plausible; everything else reaches it.
func conditionHolds(kind event.Type, value, threshold int) bool {
	if kind == event.TrafficDrop {
		return value < threshold
	}
	return value >= threshold
}

// fingerprint tells rules apart that differ in anything.
func (r rule) fingerprint() uint64 {
	flags := int64(0)
	if r.repeat {
		flags |= 1
	}
	if r.recovery {
		flags |= 2
	}
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(r.kind)) // Never fails.
	var word [8]byte
	for _, n := range []int64{r.webhook, r.goal, int64(r.threshold), int64(r.window), int64(r.cooldown), flags, r.start} {
		binary.BigEndian.PutUint64(word[:], uint64(n))
		_, _ = sum.Write(word[:])
	}
	return sum.Sum64()
}

// notificationOf is the traffic notification of Plausible whose threshold a
// trigger without one takes.
func notificationOf(kind event.Type) config.NotificationType {
	if kind == event.TrafficDrop {
		return config.NotifyDrop
	}
	return config.NotifySpike
}
