package event

import "fmt"

// scrollKind is the kind of goals whose conversions are visitors.
const scrollKind = "scroll"

// quoted names a goal as messages do.
func (g Goal) quoted() string { return `"` + name(g.Name) + `"` }

// achieved says how often the goal was completed, which for a scroll goal is
// by how many.
func (g Goal) achieved(conversions int) string {
	switch {
	case g.Kind == scrollKind:
		return "Goal " + g.quoted() + " reached by " + visitors(conversions)
	case conversions == 1:
		return "Goal " + g.quoted() + " completed"
	default:
		return "Goal " + g.quoted() + " completed " + number(conversions) + " times"
	}
}

// conversions counts what the goal counts.
func (g Goal) conversions(n int) string {
	if g.Kind == scrollKind {
		return visitors(n)
	}
	return count(n, "completion", "completions")
}

func (d GoalData) message() message {
	m := message{headline: d.Goal.achieved(d.Conversions) + " on " + name(d.Site.Domain), link: d.DashboardURL}
	m.by(d.Goal, d.Visitors)
	m.add("When", between(d.Period))
	m.add("Top sources", counts(d.TopSources))
	return m
}

// by says how many visitors completed a goal, where the headline has not said
// so.
func (m *message) by(g Goal, n int) {
	if g.Kind != scrollKind {
		m.add("By", visitors(n))
	}
}

func (d GoalThresholdData) message() message {
	m := message{link: d.DashboardURL}
	m.headline = fmt.Sprintf("%s on %s %s", d.Goal.achieved(d.Conversions), name(d.Site.Domain), lately(d.WindowSeconds))
	if threshold := d.Trigger.Threshold; threshold != nil {
		m.headline += fmt.Sprintf(" (threshold %s)", number(*threshold))
	}
	m.by(d.Goal, d.Visitors)
	m.add("Top sources", counts(d.TopSources))
	m.again(d.Episode)
	return m
}

func (d GoalThresholdEndedData) message() message {
	m := message{link: d.DashboardURL}
	goal, lasted := d.Goal.quoted()+" on "+name(d.Site.Domain), duration(d.DurationSeconds)
	switch threshold := d.Trigger.Threshold; {
	case d.Reason != Recovered:
		m.headline = fmt.Sprintf("The alert for goal %s was closed after %s: %s", goal, lasted, d.Reason.words())
	case threshold != nil:
		m.headline = fmt.Sprintf("Goal %s is below its threshold of %s again after %s", goal, number(*threshold), lasted)
	default:
		m.headline = fmt.Sprintf("Goal %s is below its threshold again after %s", goal, lasted)
	}
	if d.Conversions != nil {
		now := d.Goal.conversions(*d.Conversions)
		if window := d.Trigger.WindowSeconds; window != nil {
			now += " " + lately(*window)
		}
		m.add("Now", now)
	}
	m.add("Peak", d.Goal.conversions(d.PeakConversions))
	m.add("Began", clock(d.Episode.StartedAt))
	return m
}
