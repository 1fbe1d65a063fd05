package event

import (
	"fmt"
	"slices"
	"strings"
)

// Type names what has happened. It is the payload's "type", the
// X-Webhook-Event header and webhook_deliveries.event_type.
type Type string

// The event types of deploy/REFERENCE.md section 5.
const (
	TrafficSpike       Type = "traffic.spike"
	TrafficSpikeEnded  Type = "traffic.spike.ended"
	TrafficDrop        Type = "traffic.drop"
	TrafficDropEnded   Type = "traffic.drop.ended"
	GoalCompleted      Type = "goal.completed"
	GoalThreshold      Type = "goal.threshold"
	GoalThresholdEnded Type = "goal.threshold.ended"
	WebhookDisabled    Type = "webhook.disabled"
	WebhookTest        Type = "webhook.test"
)

// Types returns every event type, in the order of deploy/REFERENCE.md section 5.
func Types() []Type {
	return []Type{
		TrafficSpike, TrafficSpikeEnded, TrafficDrop, TrafficDropEnded,
		GoalCompleted, GoalThreshold, GoalThresholdEnded, WebhookDisabled, WebhookTest,
	}
}

// Firing returns the types that a trigger may have.
func Firing() []Type {
	return []Type{TrafficSpike, TrafficDrop, GoalCompleted, GoalThreshold}
}

// Firing reports whether a trigger may have the type.
func (t Type) Firing() bool { return slices.Contains(Firing(), t) }

// AboutGoal reports whether the type tells of a goal, so that a trigger of it
// may name one.
func (t Type) AboutGoal() bool {
	return t == GoalCompleted || t == GoalThreshold || t == GoalThresholdEnded
}

// NeedsThreshold reports whether a trigger of the type must have a threshold
// of its own. Traffic can take that of the site's own notification; for goals
// no setting of Plausible holds one.
func (t Type) NeedsThreshold() bool { return t == GoalThreshold }

// Ended returns the type that follows the end of an episode of t, and false
// where t has no episodes.
func (t Type) Ended() (Type, bool) {
	switch t {
	case TrafficSpike:
		return TrafficSpikeEnded, true
	case TrafficDrop:
		return TrafficDropEnded, true
	case GoalThreshold:
		return GoalThresholdEnded, true
	default:
		return "", false
	}
}

// ParseType reads an event type as users write it, exactly. The error lists
// what is allowed; use Type.Firing where only a trigger's types will do.
func ParseType(s string) (Type, error) {
	if t := Type(s); slices.Contains(Types(), t) {
		return t, nil
	}
	return "", fmt.Errorf("unknown event type %q: use one of %s", s, list(Types()))
}

func list[T ~string](allowed []T) string {
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	return strings.Join(names, ", ")
}
