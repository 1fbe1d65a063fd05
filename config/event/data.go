package event

import "time"

// Site is the site that an event is about.
type Site struct {
	ID     int64  `json:"id"`
	Domain string `json:"domain"`
}

// Webhook is the webhook that an event goes to.
type Webhook struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// Trigger is what made an event fire, with the values that applied at that
// moment: defaults and the site's own notification are filled in, so that a
// receiver need not know them. Nil where a value has no meaning for the type.
type Trigger struct {
	ID              int64 `json:"id"`
	Threshold       *int  `json:"threshold"`        // Visitors, or completions of GoalThreshold; nil for GoalCompleted.
	WindowSeconds   *int  `json:"window_seconds"`   // Nil for GoalCompleted.
	CooldownSeconds *int  `json:"cooldown_seconds"` // Zero: no cooldown.
}

// Episode is one stretch of time during which a condition holds: one of a
// site's traffic, or of one goal's completions.
type Episode struct {
	ID        string    `json:"id"` // The same in all firings and in the end of one episode.
	StartedAt time.Time `json:"started_at"`
	Firing    int       `json:"firing"` // Counts the firings of the episode from 1; in its end, how many there were.
}

// Goal is the goal that was completed. Kind is "event", "page" or "scroll".
type Goal struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
	Kind string `json:"kind"`
}

// Count is a source or a page with its visitors.
type Count struct {
	Name     string `json:"name"`
	Visitors int    `json:"visitors"`
}

// Period is a stretch of time, both ends included.
type Period struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Reason says why an episode has ended.
type Reason string

// The reasons of deploy/REFERENCE.md section 5.
const (
	Recovered Reason = "recovered" // The condition no longer holds.
	Changed   Reason = "changed"   // Trigger, webhook or threshold changed so that it no longer applies.
	Removed   Reason = "removed"   // Trigger, webhook, goal or site is gone.
)

// Origin is what every firing has in common.
type Origin struct {
	Site    Site    `json:"site"`
	Webhook Webhook `json:"webhook"`
	Trigger Trigger `json:"trigger"`
}

// SpikeData is the data of TrafficSpike.
type SpikeData struct {
	Origin
	Episode         Episode `json:"episode"`
	CurrentVisitors int     `json:"current_visitors"`
	WindowSeconds   int     `json:"window_seconds"`
	TopSources      []Count `json:"top_sources"` // At most 3, without "Direct / None".
	TopPages        []Count `json:"top_pages"`   // At most 3.
	DashboardURL    string  `json:"dashboard_url"`
}

// SpikeEndedData is the data of TrafficSpikeEnded.
type SpikeEndedData struct {
	Origin
	Episode         Episode `json:"episode"`
	Reason          Reason  `json:"reason"`
	CurrentVisitors *int    `json:"current_visitors"` // Nil where nothing is counted any more.
	PeakVisitors    int     `json:"peak_visitors"`
	DurationSeconds int     `json:"duration_seconds"`
	DashboardURL    string  `json:"dashboard_url"`
}

// DropData is the data of TrafficDrop.
type DropData struct {
	Origin
	Episode       Episode `json:"episode"`
	Visitors      int     `json:"visitors"`
	WindowSeconds int     `json:"window_seconds"`
	DashboardURL  string  `json:"dashboard_url"`
}

// DropEndedData is the data of TrafficDropEnded.
type DropEndedData struct {
	Origin
	Episode         Episode `json:"episode"`
	Reason          Reason  `json:"reason"`
	Visitors        *int    `json:"visitors"` // Nil where nothing is counted any more.
	DurationSeconds int     `json:"duration_seconds"`
	DashboardURL    string  `json:"dashboard_url"`
}

// GoalData is the data of GoalCompleted.
type GoalData struct {
	Origin
	Goal         Goal    `json:"goal"`
	Conversions  int     `json:"conversions"`
	Visitors     int     `json:"visitors"`
	Period       Period  `json:"period"`
	TopSources   []Count `json:"top_sources"` // At most 3, without "Direct / None".
	DashboardURL string  `json:"dashboard_url"`
}

// GoalThresholdData is the data of GoalThreshold.
type GoalThresholdData struct {
	Origin
	Episode       Episode `json:"episode"`
	Goal          Goal    `json:"goal"`
	Conversions   int     `json:"conversions"` // Completions within the window; of a scroll goal, visitors who reached it.
	Visitors      int     `json:"visitors"`
	WindowSeconds int     `json:"window_seconds"`
	TopSources    []Count `json:"top_sources"` // At most 3, without "Direct / None".
	DashboardURL  string  `json:"dashboard_url"`
}

// GoalThresholdEndedData is the data of GoalThresholdEnded.
type GoalThresholdEndedData struct {
	Origin
	Episode         Episode `json:"episode"`
	Goal            Goal    `json:"goal"`
	Reason          Reason  `json:"reason"`
	Conversions     *int    `json:"conversions"` // Nil where nothing is counted any more.
	PeakConversions int     `json:"peak_conversions"`
	DurationSeconds int     `json:"duration_seconds"`
	DashboardURL    string  `json:"dashboard_url"`
}

// DisabledReason says why the sidecar has switched a webhook off. It is
// webhooks.disabled_reason, as far as a receiver is the cause.
type DisabledReason string

// The reasons of deploy/REFERENCE.md section 3 that WebhookDisabled tells of.
const (
	Failing DisabledReason = "failing" // Nothing has succeeded for a long time.
	Gone    DisabledReason = "gone"    // The receiver answered 410 Gone.
)

// Disabled is the webhook that was switched off.
type Disabled struct {
	ID             int64          `json:"id"`
	Name           string         `json:"name"`
	Host           string         `json:"host"` // Of its URL, with a port that is not the usual one; never a path.
	Reason         DisabledReason `json:"reason"`
	Since          *time.Time     `json:"since"`            // The first failure; nil for Gone.
	LastStatusCode *int           `json:"last_status_code"` // Nil where nothing answered.
	LastError      *string        `json:"last_error"`
}

// DisabledData is the data of WebhookDisabled. Site and DashboardURL are nil
// where the webhook that was switched off is an instance-wide one; Trigger is
// always nil, for none has fired. Webhook is the one that is told.
type DisabledData struct {
	Site         *Site    `json:"site"`
	Webhook      Webhook  `json:"webhook"`
	Trigger      *Trigger `json:"trigger"`
	Disabled     Disabled `json:"disabled"`
	DashboardURL *string  `json:"dashboard_url"`
}

// TestData is the data of WebhookTest. Site and DashboardURL are nil where an
// instance-wide webhook is tested; Trigger is always nil, for none has fired.
type TestData struct {
	Site         *Site    `json:"site"`
	Webhook      Webhook  `json:"webhook"`
	Trigger      *Trigger `json:"trigger"`
	Example      Sample   `json:"example"`
	DashboardURL *string  `json:"dashboard_url"`
}

// Sample is an invented event inside a test, so that a receiver can be tried
// with the shape it will meet.
type Sample struct {
	Type Type `json:"type"`
	Data Data `json:"data"`
}

// Data is the data of one event type; the structs of this file and no others.
type Data interface {
	// Type is the event type that the data belongs to.
	Type() Type
	// normal returns the data as payloads show it: times in UTC with whole
	// seconds, lists never nil.
	normal() Data
	// message tells the data in plain words.
	message() message
}

// Type implements Data.
func (SpikeData) Type() Type { return TrafficSpike }

// Type implements Data.
func (SpikeEndedData) Type() Type { return TrafficSpikeEnded }

// Type implements Data.
func (DropData) Type() Type { return TrafficDrop }

// Type implements Data.
func (DropEndedData) Type() Type { return TrafficDropEnded }

// Type implements Data.
func (GoalData) Type() Type { return GoalCompleted }

// Type implements Data.
func (GoalThresholdData) Type() Type { return GoalThreshold }

// Type implements Data.
func (GoalThresholdEndedData) Type() Type { return GoalThresholdEnded }

// Type implements Data.
func (DisabledData) Type() Type { return WebhookDisabled }

// Type implements Data.
func (TestData) Type() Type { return WebhookTest }

func (d SpikeData) normal() Data {
	d.Episode = d.Episode.normal()
	d.TopSources = listed(d.TopSources)
	d.TopPages = listed(d.TopPages)
	return d
}

func (d SpikeEndedData) normal() Data {
	d.Episode = d.Episode.normal()
	return d
}

func (d DropData) normal() Data {
	d.Episode = d.Episode.normal()
	return d
}

func (d DropEndedData) normal() Data {
	d.Episode = d.Episode.normal()
	return d
}

func (d GoalData) normal() Data {
	// The columns may hold values for such a trigger; they mean nothing.
	d.Trigger.Threshold, d.Trigger.WindowSeconds = nil, nil
	d.Period = Period{From: wholeSecond(d.Period.From), To: wholeSecond(d.Period.To)}
	d.TopSources = listed(d.TopSources)
	return d
}

func (d GoalThresholdData) normal() Data {
	d.Episode = d.Episode.normal()
	d.TopSources = listed(d.TopSources)
	return d
}

func (d GoalThresholdEndedData) normal() Data {
	d.Episode = d.Episode.normal()
	return d
}

func (d DisabledData) normal() Data {
	if d.Disabled.Since != nil {
		since := wholeSecond(*d.Disabled.Since)
		d.Disabled.Since = &since
	}
	return d
}

func (d TestData) normal() Data {
	if d.Example.Data != nil {
		d.Example.Data = d.Example.Data.normal()
	}
	return d
}

func (e Episode) normal() Episode {
	e.StartedAt = wholeSecond(e.StartedAt)
	return e
}

// wholeSecond is how payloads show a time; encoding/json then writes it as
// RFC 3339 with a Z and without a fraction.
func wholeSecond(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

func listed(counts []Count) []Count {
	if counts == nil {
		return []Count{}
	}
	return counts
}
