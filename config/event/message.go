package event

import "fmt"

// message is an event in plain words, before a format escapes it. No part of
// it is markup; parts hold no line breaks.
type message struct {
	headline string
	facts    []fact
	link     string // The dashboard; empty: none.
}

// fact is one line under the headline.
type fact struct{ label, value string }

func (m *message) add(label, value string) {
	if value != "" {
		m.facts = append(m.facts, fact{label, value})
	}
}

// realtimeSeconds is the longest window that people call "right now":
// Plausible's own count of current visitors spans five minutes.
const realtimeSeconds = 300

func (d SpikeData) message() message {
	m := message{headline: visitors(d.CurrentVisitors) + " on " + name(d.Site.Domain), link: d.DashboardURL}
	switch threshold := d.Trigger.Threshold; {
	case d.WindowSeconds > realtimeSeconds && threshold != nil:
		m.headline += fmt.Sprintf(" %s (threshold %s)", lately(d.WindowSeconds), number(*threshold))
	case d.WindowSeconds > realtimeSeconds:
		m.headline += " " + lately(d.WindowSeconds)
	case threshold != nil:
		m.headline += fmt.Sprintf(" right now (threshold %s in %s)", number(*threshold), span(d.WindowSeconds))
	default:
		m.headline += " right now"
	}
	m.add("Top sources", counts(d.TopSources))
	m.add("Top pages", counts(d.TopPages))
	m.again(d.Episode)
	return m
}

// again says that a condition goes on, where this is not its first firing.
func (m *message) again(e Episode) {
	if e.Firing > 1 {
		m.add("Going on since", fmt.Sprintf("%s (notice %s)", clock(e.StartedAt), number(e.Firing)))
	}
}

func (d SpikeEndedData) message() message {
	m := message{link: d.DashboardURL}
	lasted := duration(d.DurationSeconds)
	if d.Reason == Recovered {
		m.headline = fmt.Sprintf("The traffic spike on %s is over after %s", name(d.Site.Domain), lasted)
	} else {
		m.headline = fmt.Sprintf("The traffic spike alert for %s was closed after %s: %s", name(d.Site.Domain), lasted, d.Reason.words())
	}
	if d.CurrentVisitors != nil {
		m.add("Now", visitors(*d.CurrentVisitors))
	}
	m.add("Peak", visitors(d.PeakVisitors))
	m.add("Began", clock(d.Episode.StartedAt))
	return m
}

func (d DropData) message() message {
	m := message{link: d.DashboardURL}
	few := "No visitors"
	if d.Visitors > 0 {
		few = "Only " + visitors(d.Visitors)
	}
	m.headline = fmt.Sprintf("%s on %s %s", few, name(d.Site.Domain), lately(d.WindowSeconds))
	if threshold := d.Trigger.Threshold; threshold != nil {
		m.headline += fmt.Sprintf(" (threshold %s)", number(*threshold))
	}
	m.again(d.Episode)
	return m
}

func (d DropEndedData) message() message {
	m := message{link: d.DashboardURL}
	lasted := duration(d.DurationSeconds)
	if d.Reason == Recovered {
		m.headline = fmt.Sprintf("Traffic on %s is back after %s", name(d.Site.Domain), lasted)
	} else {
		m.headline = fmt.Sprintf("The traffic drop alert for %s was closed after %s: %s", name(d.Site.Domain), lasted, d.Reason.words())
	}
	if d.Visitors != nil {
		now := visitors(*d.Visitors)
		if window := d.Trigger.WindowSeconds; window != nil {
			now += " " + lately(*window)
		}
		m.add("Now", now)
	}
	m.add("Began", clock(d.Episode.StartedAt))
	return m
}

func (r Reason) words() string {
	switch r {
	case Removed:
		return "its trigger was removed"
	default:
		return "its settings were changed"
	}
}

func (d TestData) message() message {
	m := message{headline: "Test message: this webhook works"}
	if d.Webhook.Name != "" {
		m.headline = fmt.Sprintf(`Test message: webhook "%s" works`, name(d.Webhook.Name))
	}
	if d.Site != nil {
		m.headline += " for " + name(d.Site.Domain)
	}
	if d.DashboardURL != nil {
		m.link = *d.DashboardURL
	}
	example := d.Example.Data.message()
	m.add("An event of type "+string(d.Example.Type)+" looks like this", example.headline)
	m.facts = append(m.facts, example.facts...)
	return m
}
