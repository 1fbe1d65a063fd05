package cdc

import (
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
)

// ownSchema is the schema of our tables.
const ownSchema = "plausible_webhooks"

// The absent values are those of the Plausible versions that lack the column
// (v2.1 to v3.2): no team, no scroll goal, no custom properties, a spike.

var sitesTable = &table[site]{
	schema: "public", name: "sites",
	id:    func(s site) int64 { return s.ID },
	equal: func(a, b site) bool { return a == b },
	columns: []column[site]{
		required("id", setInt(func(s *site) *int64 { return &s.ID }, parseInt)),
		required("domain", setText(func(s *site) *string { return &s.Domain })),
		optional("timezone", "Etc/UTC", setText(func(s *site) *string { return &s.Timezone })),
		nullable("native_stats_start_at", setTime(func(s *site) *time.Time { return &s.NativeStatsStartAt })),
		nullable("team_id", setInt(func(s *site) *int64 { return &s.TeamID }, zeroOr)),
		optional("consolidated", "f", setBool(func(s *site) *bool { return &s.consolidated })),
	},
}

var goalsTable = &table[config.Goal]{
	schema: "public", name: "goals",
	id:     func(g config.Goal) int64 { return g.ID },
	equal:  config.Goal.Equal,
	finish: nameGoal,
	columns: []column[config.Goal]{
		required("id", setInt(func(g *config.Goal) *int64 { return &g.ID }, parseInt)),
		required("site_id", setInt(func(g *config.Goal) *int64 { return &g.SiteID }, zeroOr)),
		required("event_name", setText(func(g *config.Goal) *string { return &g.EventName })),
		required("page_path", setText(func(g *config.Goal) *string { return &g.PagePath })),
		nullable("display_name", setText(func(g *config.Goal) *string { return &g.DisplayName })),
		optional("scroll_threshold", "-1", setSmall(func(g *config.Goal) *int { return &g.ScrollThreshold })),
		optional("custom_props", "{}", setter(func(g *config.Goal) *map[string]string { return &g.CustomProps }, parseProps)),
		nullable("inserted_at", setTime(func(g *config.Goal) *time.Time { return &g.InsertedAt })),
		nullable("updated_at", setTime(func(g *config.Goal) *time.Time { return &g.UpdatedAt })),
	},
}

// nameGoal gives a goal without a display name (before v2.1.2) the one that
// Plausible's dashboard showed for it.
func nameGoal(g *config.Goal) {
	switch {
	case g.DisplayName != "":
	case g.EventName != "":
		g.DisplayName = g.EventName
	default:
		g.DisplayName = "Visit " + g.PagePath
	}
}

var notificationsTable = &table[config.Notification]{
	schema: "public", name: "spike_notifications",
	id:    func(n config.Notification) int64 { return n.ID },
	equal: func(a, b config.Notification) bool { return a == b },
	columns: []column[config.Notification]{
		required("id", setInt(func(n *config.Notification) *int64 { return &n.ID }, parseInt)),
		required("site_id", setInt(func(n *config.Notification) *int64 { return &n.SiteID }, zeroOr)),
		required("threshold", setSmall(func(n *config.Notification) *int { return &n.Threshold })),
		optional("type", string(config.NotifySpike), setText(func(n *config.Notification) *config.NotificationType { return &n.Type })),
	},
}

var webhooksTable = &table[config.Webhook]{
	schema: ownSchema, name: "webhooks",
	id:    func(w config.Webhook) int64 { return w.ID },
	equal: func(a, b config.Webhook) bool { return a == b },
	columns: []column[config.Webhook]{
		required("id", setInt(func(w *config.Webhook) *int64 { return &w.ID }, parseInt)),
		required("site_id", setInt(func(w *config.Webhook) *int64 { return &w.SiteID }, zeroOr)),
		required("name", setText(func(w *config.Webhook) *string { return &w.Name })),
		required("format", setText(func(w *config.Webhook) *event.Format { return &w.Format })),
		required("enabled", setBool(func(w *config.Webhook) *bool { return &w.Enabled })),
		required("disabled_reason", setText(func(w *config.Webhook) *string { return &w.DisabledReason })),
		required("managed_by", setText(func(w *config.Webhook) *string { return &w.ManagedBy })),
		required("inserted_at", setTime(func(w *config.Webhook) *time.Time { return &w.InsertedAt })),
		required("restarted_at", setTime(func(w *config.Webhook) *time.Time { return &w.RestartedAt })),
	},
}

var triggersTable = &table[config.Trigger]{
	schema: ownSchema, name: "webhook_triggers",
	id:    func(t config.Trigger) int64 { return t.ID },
	equal: config.Trigger.Equal,
	columns: []column[config.Trigger]{
		required("id", setInt(func(t *config.Trigger) *int64 { return &t.ID }, parseInt)),
		required("webhook_id", setInt(func(t *config.Trigger) *int64 { return &t.WebhookID }, zeroOr)),
		required("type", setText(func(t *config.Trigger) *event.Type { return &t.Type })),
		required("goal_id", setInt(func(t *config.Trigger) *int64 { return &t.GoalID }, zeroOr)),
		required("threshold", setSmall(func(t *config.Trigger) *int { return &t.Threshold })),
		required("window_seconds", setSmall(func(t *config.Trigger) *int { return &t.WindowSeconds })),
		required("cooldown_seconds", setter(func(t *config.Trigger) **int { return &t.CooldownSeconds }, parseOptional)),
		required("repeat", setBool(func(t *config.Trigger) *bool { return &t.Repeat })),
		required("notify_recovery", setBool(func(t *config.Trigger) *bool { return &t.NotifyRecovery })),
		required("enabled", setBool(func(t *config.Trigger) *bool { return &t.Enabled })),
		required("inserted_at", setTime(func(t *config.Trigger) *time.Time { return &t.InsertedAt })),
		required("restarted_at", setTime(func(t *config.Trigger) *time.Time { return &t.RestartedAt })),
	},
}

// parseOptional tells null from zero: a cooldown of zero is not the default.
func parseOptional(text []byte) (*int, error) {
	if text == nil {
		return nil, nil
	}
	n, err := parseInt(text)
	if err != nil {
		return nil, err
	}
	small := int(n)
	return &small, nil
}
