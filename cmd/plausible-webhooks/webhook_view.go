package main

import (
	"fmt"
	"strings"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/store"
	"plausible-webhooks/config/target"
)

// webhookJSON has the columns of webhooks as keys, without the secrets; the
// URL is scheme and host, and of headers there are the names.
type webhookJSON struct {
	ID                      int64         `json:"id"`
	SiteID                  *int64        `json:"site_id"`
	Domain                  *string       `json:"domain"`
	Name                    string        `json:"name"`
	URL                     string        `json:"url"`
	Secret                  *string       `json:"secret,omitempty"`       // Only where it was made or given just now.
	SecretWhsec             *string       `json:"secret_whsec,omitempty"` // The same, as Standard Webhooks libraries take it.
	PreviousSecretExpiresAt *time.Time    `json:"previous_secret_expires_at"`
	Format                  string        `json:"format"`
	Enabled                 bool          `json:"enabled"`
	DisabledReason          *string       `json:"disabled_reason"`
	ManagedBy               string        `json:"managed_by"`
	Headers                 []string      `json:"headers"`
	TimeoutSeconds          *int          `json:"timeout_seconds"`
	InsertedAt              time.Time     `json:"inserted_at"`
	UpdatedAt               time.Time     `json:"updated_at"`
	Triggers                []triggerJSON `json:"triggers"`
}

// triggerJSON has the columns of webhook_triggers as keys.
type triggerJSON struct {
	ID              int64     `json:"id"`
	WebhookID       int64     `json:"webhook_id"`
	Type            string    `json:"type"`
	GoalID          *int64    `json:"goal_id"`
	GoalName        *string   `json:"goal_name"`
	Threshold       *int      `json:"threshold"`
	WindowSeconds   *int      `json:"window_seconds"`
	CooldownSeconds *int      `json:"cooldown_seconds"`
	Repeat          bool      `json:"repeat"`
	NotifyRecovery  bool      `json:"notify_recovery"`
	Enabled         bool      `json:"enabled"`
	Broken          bool      `json:"broken"`
	InsertedAt      time.Time `json:"inserted_at"`
	UpdatedAt       time.Time `json:"updated_at"`
}

func toJSON(w store.Webhook) webhookJSON {
	out := webhookJSON{
		ID: w.ID, SiteID: optional(w.SiteID), Domain: optional(w.Domain), Name: w.Name, URL: target.Display(w.URL.Reveal()),
		PreviousSecretExpiresAt: optional(w.PreviousSecretExpiresAt), Format: string(w.Format), Enabled: w.Enabled,
		DisabledReason: optional(w.DisabledReason), ManagedBy: w.ManagedBy,
		Headers: append([]string{}, w.HeaderNames...), TimeoutSeconds: optional(w.TimeoutSeconds), InsertedAt: w.InsertedAt, UpdatedAt: w.UpdatedAt,
		Triggers: make([]triggerJSON, len(w.Triggers)),
	}
	for i, t := range w.Triggers {
		out.Triggers[i] = triggerJSON{
			ID: t.ID, WebhookID: t.WebhookID, Type: string(t.Type), GoalID: optional(t.GoalID), GoalName: optional(t.GoalName),
			Threshold: optional(t.Threshold), WindowSeconds: optional(t.WindowSeconds), CooldownSeconds: t.CooldownSeconds,
			Repeat: t.Repeat, NotifyRecovery: t.NotifyRecovery, Enabled: t.Enabled, Broken: t.Broken, InsertedAt: t.InsertedAt, UpdatedAt: t.UpdatedAt,
		}
	}
	return out
}

func siteOf(w store.Webhook) string {
	switch {
	case w.InstanceWide():
		return "(all sites)"
	case w.SiteMissing():
		return fmt.Sprintf("(site %d is gone)", w.SiteID)
	default:
		return w.Domain
	}
}

func nameOf(w store.Webhook) string {
	switch {
	case w.ManagedBy == config.ManagedByEnvironment:
		return "(WEBHOOKS_URL)"
	case w.Name == "":
		return "-"
	default:
		return w.Name
	}
}

func stateOf(w store.Webhook) string {
	switch {
	case w.Enabled:
		return "enabled"
	case w.DisabledReason != "":
		return "disabled: " + w.DisabledReason
	default:
		return "paused"
	}
}

// describeTrigger is a trigger in few words.
func describeTrigger(t store.Trigger) string {
	text := string(t.Type)
	switch {
	case t.GoalName != "":
		text += fmt.Sprintf(" %q", t.GoalName)
	case t.GoalID != 0:
		text += fmt.Sprintf(" of goal %d", t.GoalID)
	}
	_, episodes := t.Type.Ended() // Without them, a threshold has no meaning.
	var more []string
	switch {
	case episodes && t.Threshold == 0:
		more = append(more, "threshold of the site")
	case episodes:
		more = append(more, "threshold "+fmt.Sprint(t.Threshold))
	}
	if t.WindowSeconds != 0 {
		more = append(more, "window "+window(t.WindowSeconds))
	}
	if t.CooldownSeconds != nil {
		more = append(more, "cooldown "+window(*t.CooldownSeconds))
	}
	for _, flag := range []struct {
		set  bool
		word string
	}{{t.NotifyRecovery, "recovery"}, {!t.Repeat, "once"}, {!t.Enabled, "off"}, {t.Broken, "broken: its goal is gone or another site's"}} {
		if flag.set {
			more = append(more, flag.word)
		}
	}
	if len(more) == 0 {
		return text
	}
	return text + " (" + strings.Join(more, ", ") + ")"
}
