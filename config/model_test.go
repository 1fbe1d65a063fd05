package config_test

import (
	"testing"
	"time"

	"plausible-webhooks/config"
)

func TestKindOfAGoal(t *testing.T) {
	tests := []struct {
		name string
		goal config.Goal
		want config.GoalKind
	}{
		{"custom event", config.Goal{EventName: "Signup", ScrollThreshold: config.NoScrollThreshold}, config.GoalEvent},
		{"page", config.Goal{PagePath: "/thanks", ScrollThreshold: config.NoScrollThreshold}, config.GoalPage},
		{"scroll", config.Goal{PagePath: "/blog/*", ScrollThreshold: 75}, config.GoalScroll},
		{"scroll to the first pixel", config.Goal{PagePath: "/blog/*", ScrollThreshold: 0}, config.GoalScroll},
		{"event of an odd row with a scroll threshold", config.Goal{EventName: "Signup", ScrollThreshold: 50}, config.GoalEvent},
	}
	for _, test := range tests {
		if got := test.goal.Kind(); got != test.want {
			t.Errorf("%s: Kind() = %q; want %q", test.name, got, test.want)
		}
	}
}

func TestStateOfAWebhook(t *testing.T) {
	tests := []struct {
		name             string
		webhook          config.Webhook
		paused, disabled bool
	}{
		{"enabled", config.Webhook{Enabled: true}, false, false},
		{"paused by a person", config.Webhook{}, true, false},
		{"disabled by the system", config.Webhook{DisabledReason: "failing"}, false, true},
	}
	for _, test := range tests {
		if got := test.webhook.Paused(); got != test.paused {
			t.Errorf("%s: Paused() = %v; want %v", test.name, got, test.paused)
		}
		if got := test.webhook.Disabled(); got != test.disabled {
			t.Errorf("%s: Disabled() = %v; want %v", test.name, got, test.disabled)
		}
	}
	if !(config.Webhook{}).InstanceWide() || (config.Webhook{SiteID: 1}).InstanceWide() {
		t.Error("InstanceWide(): want true without a site and false with one")
	}
}

func TestATriggerStartsWithTheLatestOfItsRestarts(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 3, 1, 12, minute, 0, 0, time.UTC) }
	tests := []struct {
		name    string
		trigger config.Trigger
		webhook config.Webhook
		want    time.Time
	}{
		{"never restarted", config.Trigger{InsertedAt: at(5)}, config.Webhook{InsertedAt: at(9)}, at(5)},
		{"itself restarted", config.Trigger{InsertedAt: at(5), RestartedAt: at(8)}, config.Webhook{}, at(8)},
		{"its webhook restarted", config.Trigger{InsertedAt: at(5)}, config.Webhook{RestartedAt: at(7)}, at(7)},
		{"its webhook restarted before it was made", config.Trigger{InsertedAt: at(5)}, config.Webhook{RestartedAt: at(2)}, at(5)},
		{"both, its webhook later", config.Trigger{InsertedAt: at(1), RestartedAt: at(3)}, config.Webhook{RestartedAt: at(4)}, at(4)},
		{"both, itself later", config.Trigger{InsertedAt: at(1), RestartedAt: at(4)}, config.Webhook{RestartedAt: at(3)}, at(4)},
	}
	for _, test := range tests {
		if got := test.trigger.StartedAt(test.webhook); !got.Equal(test.want) {
			t.Errorf("%s: StartedAt = %v; want %v", test.name, got, test.want)
		}
	}
}
