package config

import (
	"maps"
	"time"

	"plausible-webhooks/config/event"
)

// Site is a row of Plausible's public.sites, as far as webhooks need it.
type Site struct {
	ID       int64
	Domain   string
	Timezone string // IANA name, for example "Europe/Tallinn"; Plausible's default is "Etc/UTC".

	// NativeStatsStartAt is a lower bound of everything that is counted for
	// the site: "reset stats" moves it forward and leaves the rows in place.
	// Zero where Plausible has none.
	NativeStatsStartAt time.Time

	TeamID int64 // Zero: no team, or a Plausible older than teams (v3.0).
}

// GoalKind tells how a goal matches events (lib/plausible/goal.ex).
type GoalKind string

// The kinds of goals, as payloads name them.
const (
	GoalEvent  GoalKind = "event"
	GoalPage   GoalKind = "page"
	GoalScroll GoalKind = "scroll"
)

// NoScrollThreshold is Plausible's value of goals.scroll_threshold for goals
// that are not about scrolling; also the value of versions before v3.0.
const NoScrollThreshold = -1

// Goal is a row of Plausible's public.goals.
type Goal struct {
	ID              int64
	SiteID          int64
	DisplayName     string
	EventName       string // Either this or PagePath is set.
	PagePath        string
	ScrollThreshold int               // Per cent of the page, or NoScrollThreshold.
	CustomProps     map[string]string // All must match; empty before v3.2.
	InsertedAt      time.Time
	UpdatedAt       time.Time // Plausible's own clock, whole seconds.
}

// Kind derives the goal's kind from its columns, as Plausible does.
func (g Goal) Kind() GoalKind {
	switch {
	case g.EventName != "":
		return GoalEvent
	case g.ScrollThreshold > NoScrollThreshold:
		return GoalScroll
	default:
		return GoalPage
	}
}

// Equal reports whether two goals are the same in everything.
func (g Goal) Equal(other Goal) bool {
	return g.ID == other.ID && g.SiteID == other.SiteID && g.DisplayName == other.DisplayName &&
		g.EventName == other.EventName && g.PagePath == other.PagePath && g.ScrollThreshold == other.ScrollThreshold &&
		g.InsertedAt == other.InsertedAt && g.UpdatedAt == other.UpdatedAt && maps.Equal(g.CustomProps, other.CustomProps)
}

// NotificationType is spike_notifications.type.
type NotificationType string

// The two traffic notifications Plausible can mail.
const (
	NotifySpike NotificationType = "spike"
	NotifyDrop  NotificationType = "drop"
)

// Notification is a row of Plausible's public.spike_notifications: the
// existing traffic notification of a site. Its row exists while it is enabled.
type Notification struct {
	ID        int64
	SiteID    int64
	Type      NotificationType
	Threshold int // Visitors, at least 1.
}

// ManagedByEnvironment marks the one webhook that WEBHOOKS_URL describes.
const ManagedByEnvironment = "environment"

// Webhook is a row of plausible_webhooks.webhooks, without its URL and secret.
type Webhook struct {
	ID             int64
	SiteID         int64 // Zero: instance-wide.
	Name           string
	Format         event.Format
	Enabled        bool
	DisabledReason string // "gone", "failing" or "transferred"; empty where a person paused it.
	ManagedBy      string
	InsertedAt     time.Time
	RestartedAt    time.Time // When it was last enabled again; zero: never.
}

// InstanceWide reports whether the webhook receives events of every site.
func (w Webhook) InstanceWide() bool { return w.SiteID == 0 }

// Paused reports whether a person switched the webhook off: nothing is
// evaluated for it.
func (w Webhook) Paused() bool { return !w.Enabled && w.DisabledReason == "" }

// Transferred is why the webhook of a site that went to another team is
// disabled (deploy/REFERENCE.md section 3).
const Transferred = "transferred"

// Transferred reports whether the webhook is still as the site's former team
// left it.
func (w Webhook) Transferred() bool { return !w.Enabled && w.DisabledReason == Transferred }

// Disabled reports whether the system switched the webhook off: its firings
// are still recorded, as cancelled, so that they can be resent.
func (w Webhook) Disabled() bool { return !w.Enabled && w.DisabledReason != "" }

// Trigger is a row of plausible_webhooks.webhook_triggers. Zero values stand
// for SQL null except where a pointer tells null from zero.
type Trigger struct {
	ID              int64
	WebhookID       int64
	Type            event.Type
	GoalID          int64 // Zero: every goal of the site without a trigger of its own, of this type, on the webhook.
	Threshold       int   // Visitors, or completions of a goal; zero: the site's own notification's.
	WindowSeconds   int   // Zero: the default of the type.
	CooldownSeconds *int  // Nil: the default of the type and format.
	Repeat          bool  // False: fires once an episode.
	NotifyRecovery  bool
	Enabled         bool
	InsertedAt      time.Time
	RestartedAt     time.Time // Last change of type, goal or of enabled to true; zero: never.
}

// StartedAt is the moment from which the trigger counts: its insertion or its
// last restart, its own or its webhook's (deploy/REFERENCE.md section 5). A later change
// of its goal's definition moves it further; that is the evaluator's to see.
func (t Trigger) StartedAt(w Webhook) time.Time {
	start := t.InsertedAt
	for _, later := range []time.Time{t.RestartedAt, w.RestartedAt} {
		if later.After(start) {
			start = later
		}
	}
	return start
}

// Equal reports whether two triggers are the same in everything.
func (t Trigger) Equal(other Trigger) bool {
	a, b := t.CooldownSeconds, other.CooldownSeconds
	if (a == nil) != (b == nil) || a != nil && *a != *b {
		return false
	}
	t.CooldownSeconds, other.CooldownSeconds = nil, nil
	return t == other
}
