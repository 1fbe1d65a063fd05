package settings

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/config/store"
	"plausible-webhooks/config/target"
)

// nameOf is what a webhook is called; its host where it has no name.
func nameOf(w store.Webhook) string {
	if w.Name != "" {
		return w.Name
	}
	return hostOf(w)
}

// hostOf is the host of a webhook. The path of its URL may be a secret.
func hostOf(w store.Webhook) string {
	return strings.TrimPrefix(target.Display(w.URL.Reveal()), "https://")
}

// formatNames are what formats are called.
var formatNames = map[event.Format]string{
	event.Standard: "Standard (signed JSON)", event.Slack: "Slack", event.Discord: "Discord", event.Teams: "Microsoft Teams",
	event.GoogleChat: "Google Chat", event.Telegram: "Telegram", event.Ntfy: "ntfy",
}

func formatName(f event.Format) string {
	if name, ok := formatNames[f]; ok {
		return name
	}
	return string(f)
}

// eventNames are what events are called.
var eventNames = map[event.Type]string{
	event.TrafficSpike: "Traffic spike", event.TrafficSpikeEnded: "Traffic spike over",
	event.TrafficDrop: "Traffic drop", event.TrafficDropEnded: "Traffic drop over",
	event.GoalCompleted: "Goal completed", event.GoalThreshold: "Goal completed often", event.GoalThresholdEnded: "Goal completed often: over",
	event.WebhookDisabled: "Another webhook was disabled", event.WebhookTest: "Test",
}

func eventName(t event.Type) string {
	if name, ok := eventNames[t]; ok {
		return name
	}
	return string(t)
}

// number writes n with commas between thousands.
func number(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

// span writes a length of time in its largest exact unit.
func span(seconds int) string {
	for _, unit := range []struct {
		seconds   int
		one, many string
	}{{86400, "day", "days"}, {3600, "hour", "hours"}, {60, "minute", "minutes"}} {
		if seconds >= unit.seconds && seconds%unit.seconds == 0 && (unit.seconds != 86400 || seconds > 86400) {
			return plural(seconds/unit.seconds, unit.one, unit.many)
		}
	}
	return plural(seconds, "second", "seconds")
}

// within writes a window after a count: "in 15 minutes", "in an hour".
func within(seconds int) string {
	switch seconds {
	case 3600:
		return "in an hour"
	case 60:
		return "in a minute"
	}
	return "in " + span(seconds)
}

// defaultWindow is the window of a trigger that has none of its own
// (deploy/REFERENCE.md section 5).
func defaultWindow(t event.Type) int {
	switch t {
	case event.TrafficSpike:
		return 300
	case event.TrafficDrop:
		return 43200
	case event.GoalThreshold:
		return 3600
	default:
		return 0
	}
}

// defaultCooldown is that of a trigger that has none of its own
// (deploy/REFERENCE.md section 3).
func defaultCooldown(t event.Type, f event.Format) int {
	switch {
	case t != event.GoalCompleted:
		return 43200
	case f.Signed() || f == "":
		return 0
	default:
		return 300
	}
}

// condition is when a trigger fires, in words.
func condition(t event.Type, threshold, window int, goal string) string {
	if window == 0 {
		window = defaultWindow(t)
	}
	switch t {
	case event.TrafficSpike:
		if window == defaultWindow(t) {
			return plural(threshold, "or more visitors", "or more visitors") + " at once"
		}
		return number(threshold) + " or more visitors " + within(window)
	case event.TrafficDrop:
		if threshold == 1 {
			return "no visitor " + within(window)
		}
		return "fewer than " + number(threshold) + " visitors " + within(window)
	case event.GoalCompleted:
		return goal + " is completed"
	case event.GoalThreshold:
		if threshold == 1 {
			return goal + " is completed at least once " + within(window)
		}
		return goal + " is completed " + number(threshold) + " or more times " + within(window)
	default:
		return string(t)
	}
}

// triggerWords is a trigger as a list shows it.
type triggerWords struct {
	ID    int64
	Text  string
	Notes []string // What else is set.
	Off   string   // Why it does not fire; empty: it does.
}

func wordsOf(t store.Trigger, about store.About) triggerWords {
	words := triggerWords{ID: t.ID}
	goal := "any goal"
	switch {
	case t.GoalName != "" && !t.Broken:
		goal = "goal “" + t.GoalName + "”"
	case t.GoalID != 0:
		goal = "a goal"
	}
	threshold := t.Threshold
	if own := about.Threshold(t.Type); threshold == 0 && !t.Type.AboutGoal() {
		threshold = own
		if own == 0 {
			words.Text = eventName(t.Type)
			words.Off = "this site’s " + notificationName(t.Type) + " is switched off in Plausible"
		} else {
			words.Notes = append(words.Notes, "as in Plausible’s own notification")
		}
	}
	if words.Text == "" {
		words.Text = capital(condition(t.Type, threshold, t.WindowSeconds, goal))
	}
	if t.NotifyRecovery {
		words.Notes = append(words.Notes, "also tells when it is over")
	}
	if !t.Repeat {
		words.Notes = append(words.Notes, "once until it is over")
	}
	if t.CooldownSeconds != nil && *t.CooldownSeconds != 0 {
		words.Notes = append(words.Notes, "at most every "+strings.TrimPrefix(span(*t.CooldownSeconds), "1 "))
	}
	switch {
	case t.Broken:
		words.Off = "its goal is gone or belongs to another site; remove the trigger"
	case !t.Enabled:
		words.Off = "switched off"
	}
	return words
}

func notificationName(t event.Type) string {
	if t == event.TrafficDrop {
		return "traffic drop notification"
	}
	return "traffic spike notification"
}

func capital(s string) string { return strings.TrimSuffix(sentence(s), ".") }

// state is how a webhook is doing, with what to do about it.
type state struct {
	Name   string // "Active", "Paused" or "Disabled".
	Tone   string // Of the badge; never the only sign.
	Reason string
	Remedy string
}

func stateOf(w store.Webhook) state {
	switch {
	case w.Enabled:
		return state{Name: "Active", Tone: "good"}
	case w.Paused():
		return state{"Paused", "quiet", "A person paused it: nothing is sent until it is switched on again.", ""}
	}
	s := state{Name: "Disabled", Tone: "bad"}
	switch w.DisabledReason {
	case string(event.Gone):
		s.Reason = "The receiver answered 410 Gone, which means that it wants no more events at this URL."
		s.Remedy = "Ask for a new URL at the receiver and enter it under Edit, then switch the webhook on again."
	case string(event.Failing):
		s.Reason = "For a long time nothing it sent got through."
		s.Remedy = "Look at the failed deliveries, mend the receiver or the URL, then switch the webhook on again and send a test."
	case config.Transferred:
		s.Reason = "The site was transferred to another team, so the webhook no longer sends the site’s numbers to where the earlier team wanted them."
		s.Remedy = "To use it for your team, enter a URL of your own under Edit, which switches it on again; else delete it."
	default:
		s.Reason = fmt.Sprintf("The reason is %q.", w.DisabledReason)
	}
	return s
}

// outcomeOf says what came of a delivery, in a few words.
func outcomeOf(d Delivery) string {
	tries := plural(d.Attempts, "attempt", "attempts")
	switch d.Status {
	case Delivered:
		text := "Delivered"
		if d.LastStatusCode != 0 {
			text += ", answered " + strconv.Itoa(d.LastStatusCode)
		}
		if d.Attempts > 1 {
			text += " after " + tries
		}
		return text
	case Failed:
		if d.LastError == "" {
			return "Failed after " + tries
		}
		return "Failed after " + tries + ": " + d.LastError
	case Cancelled:
		if d.LastError != "" {
			return "Not sent: " + d.LastError
		}
		return "Not sent, as the webhook was paused or disabled"
	}
	switch {
	case d.Attempts == 0:
		return "Waiting to be sent"
	case d.LastError != "":
		return "Tried " + plural(d.Attempts, "time", "times") + " so far: " + d.LastError
	default:
		return "Being sent"
	}
}

// statusName is a delivery's status on its badge.
func statusName(status string) string { return capital(status) }

// statusTone is the look of the badge.
func statusTone(status string) string {
	switch status {
	case Delivered:
		return "good"
	case Failed:
		return "bad"
	case Pending:
		return "busy"
	default:
		return "quiet"
	}
}

// took writes the length of a request.
func took(d time.Duration) string {
	if d < time.Second {
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
}
