package store

import (
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/config/header"
	"plausible-webhooks/config/secret"
)

// Webhook is a stored webhook with its triggers.
type Webhook struct {
	config.Webhook

	// Domain is the site's; empty for an instance-wide webhook, and where the
	// site no longer exists.
	Domain string

	// URL is the stored text, which need not be a URL where others wrote it.
	// Show it with target.Display.
	URL secret.Text

	// HasSecret is false until a secret is given or made; the sender makes one
	// before the first attempt.
	HasSecret bool

	// PreviousSecretExpiresAt is when the secret before the last rotation
	// stops signing too; zero: there is none.
	PreviousSecretExpiresAt time.Time

	// HeaderNames are the names of its own headers, sorted. What others wrote
	// need not be a name. Values never leave the database but to be sent.
	HeaderNames []string

	TimeoutSeconds int // Of one attempt; zero: WEBHOOKS_TIMEOUT.

	UpdatedAt time.Time
	Triggers  []Trigger // By id.
}

// SiteMissing reports whether the webhook belongs to a site that Plausible no
// longer has.
func (w Webhook) SiteMissing() bool { return !w.InstanceWide() && w.Domain == "" }

// Trigger is a stored trigger.
type Trigger struct {
	config.Trigger

	// GoalName is the goal's display name; empty for every goal, and where
	// the goal no longer exists.
	GoalName string

	// Broken reports that the goal is gone or belongs to another site: such a
	// trigger never fires (deploy/REFERENCE.md section 3).
	Broken bool

	UpdatedAt time.Time
}

// NewWebhook is what a person enters to add a webhook.
type NewWebhook struct {
	Site     string // Domain; empty: instance-wide.
	Name     string
	URL      string
	Format   event.Format // Empty: standard.
	Secret   secret.Text  // Empty: one is made, where the format is signed.
	Triggers []TriggerSpec

	Headers        []header.Header // Sent beside ours.
	TimeoutSeconds int             // At most MaxTimeoutSeconds; zero: WEBHOOKS_TIMEOUT.
}

// Changes are what a person enters to change a webhook; nil leaves a field as
// it is.
type Changes struct {
	Name    *string
	URL     *string
	Format  *event.Format
	Enabled *bool

	TimeoutSeconds *int // As in NewWebhook.

	// PutHeaders adds headers, or gives those of the same name these values.
	// DropHeaders removes the headers of these names, and comes first.
	PutHeaders  []header.Header
	DropHeaders []string

	// Put adds triggers, or gives the one of the same type and goal these
	// settings; it keeps its id, and its state where only the settings change.
	Put []TriggerSpec

	// Drop removes the triggers of these types and goals. Other fields of a
	// spec are ignored.
	Drop []TriggerSpec
}

// TriggerSpec is a trigger as a person enters it. Zero values take the
// defaults of deploy/REFERENCE.md section 3.
type TriggerSpec struct {
	Type            event.Type
	Goal            string // Display name; empty: every goal of the site, or GoalID.
	GoalID          int64  // Instead of Goal, where the caller knows it.
	Threshold       int    // Visitors or completions, at least 1; zero: the site's own notification's, which goals have not.
	WindowSeconds   int    // One of Windows; zero: the type's default.
	CooldownSeconds *int   // At least 0; nil: the default of type and format.
	Once            bool   // Fire once an episode.
	Recovery        bool   // Tell when an episode ends.
	Disabled        bool
}

// EveryGoal reports whether the spec names no goal.
func (t TriggerSpec) EveryGoal() bool { return t.Goal == "" && t.GoalID == 0 }
