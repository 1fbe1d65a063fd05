package settings_test

import (
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/settings"
	"plausible-webhooks/config/store"

	"golang.org/x/net/html"
)

func TestOverviewWithoutWebhooksExplains(t *testing.T) {
	b := newBed(t)
	p := b.get("")
	p.wantText("No webhooks yet", "Slack", "Add your first webhook")
	if links := p.all(func(n *html.Node) bool { return attr(n, "href") == base+"/new" }); len(links) != 1 {
		t.Errorf("%d links to the first step; want 1", len(links))
	}
}

func TestOverviewAtAGlance(t *testing.T) {
	b := newBed(t)
	active := b.add("example.com/shop", store.NewWebhook{Name: "Ops <i>team</i>", Triggers: []store.TriggerSpec{
		{Type: event.TrafficSpike, Threshold: 100}, {Type: event.TrafficSpike, Threshold: 0, GoalID: 0}}[:1]})
	b.exec("insert into plausible_webhooks.webhook_triggers (webhook_id, type, goal_id) values ($1, 'goal.completed', 10), ($1, 'goal.completed', 20), ($1, 'traffic.drop', null)", active.ID)
	paused := b.add("example.com/shop", store.NewWebhook{Name: "Quiet"})
	gone := b.add("example.com/shop", store.NewWebhook{Format: event.Slack, URL: "https://hooks.slack.com/services/T0/B0/very-secret"})
	b.exec("update plausible_webhooks.webhooks set enabled = false where id = $1", paused.ID)
	b.exec("update plausible_webhooks.webhooks set enabled = false, disabled_reason = 'gone' where id = $1", gone.ID)
	foreign := b.add("other.example.org", store.NewWebhook{Name: "Foreign"})
	everywhere := b.add("", store.NewWebhook{Name: "Everywhere"})
	b.exec("insert into plausible_webhooks.webhooks (name, url, managed_by) values ('Environment', 'https://env.example.com', 'environment')")
	b.rooms.latest = map[int64][]settings.Delivery{active.ID: {
		{ID: "b", WebhookID: active.ID, Event: event.TrafficSpike, Status: settings.Failed, Attempts: 4, LastError: "answered 503 Service Unavailable", InsertedAt: clock.Add(-time.Hour)},
		{ID: "a", WebhookID: active.ID, Event: event.GoalCompleted, Status: settings.Delivered, Attempts: 1, LastStatusCode: 200, InsertedAt: clock.Add(-2 * time.Hour)},
	}}
	p := b.get("")
	p.wantText("Ops <i>team</i>", "hooks.example.com", "100 or more visitors at once", "Goal “Signup” is completed",
		"its goal is gone or belongs to another site", "this site’s traffic drop notification is switched off in Plausible",
		"Active", "Paused", "Disabled", "410 Gone", "Ask for a new URL", "Failed after 4 attempts: answered 503 Service Unavailable",
		"24 Nov, 13:00", "Nothing has been sent yet", "It has no triggers")
	p.wantNothingOf("secret-path", "very-secret", "<i>team", "Foreign", "Everywhere", "Environment", "Order", foreign.URL.Reveal(), "other.example.org")
	strips := p.all(func(n *html.Node) bool { return attr(n, "class") == "pw-strip" })
	if len(strips) != 1 || attr(strips[0], "aria-label") != "Last 2 deliveries: 1 delivered, 1 failed" {
		t.Errorf("strips: %d, want one that says what it shows", len(strips))
	}
	switches := p.all(func(n *html.Node) bool { return attr(n, "role") == "switch" })
	if len(switches) != 2 || attr(switches[0], "aria-checked") != "true" || attr(switches[1], "aria-checked") != "false" {
		t.Errorf("%d switches; want one that is on, and one that is off", len(switches))
	}
	times := p.all(func(n *html.Node) bool { return n.Data == "time" })
	if len(times) != 1 || attr(times[0], "datetime") != "2026-11-24T11:00:00Z" || attr(times[0], "title") != "2026-11-24 11:00:00 UTC" {
		t.Errorf("times: %d; want one with the exact time", len(times))
	}
	_ = everywhere
}

func TestNoticesCannotBeMadeUp(t *testing.T) {
	b := newBed(t)
	if p := b.get("?done=saved"); !strings.Contains(p.text(), "Changes saved") {
		t.Error("what was done is not said")
	}
	p := b.get("?done=" + "Your+account+is+locked" + "&count=5")
	p.wantNothingOf("account")
}
