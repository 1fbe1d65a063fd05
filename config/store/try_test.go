package store_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/store"
)

func TestEnqueuedTestIsADueDelivery(t *testing.T) {
	p := newPlace(t)
	site, _ := p.mustAdd(store.NewWebhook{Site: "example.com", Name: "Ops"})
	instance, _ := p.mustAdd(store.NewWebhook{Format: event.Slack})
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for id, format := range map[int64]string{site: "standard", instance: "slack"} {
		delivery, err := p.EnqueueTest(t.Context(), id, event.GoalCompleted, "https://plausible.example.com", now)
		if err != nil {
			t.Fatal(err)
		}
		var due bool
		p.scan(&due, `select status = 'pending' and next_attempt_at <= now() and event_type = 'webhook.test' and format = $2 and webhook_id = $3
			from plausible_webhooks.webhook_deliveries where id = $1::uuid`, delivery, format, id)
		if !due {
			t.Errorf("the test of webhook %d is not a due webhook.test in its format", id)
		}
	}
	var payload string
	p.scan(&payload, "select payload from plausible_webhooks.webhook_deliveries where webhook_id = $1", site)
	var body struct {
		Type string
		Data struct {
			Site    event.Site
			Example struct{ Type string }
		}
	}
	if err := json.Unmarshal([]byte(payload), &body); err != nil {
		t.Fatal(err)
	}
	if body.Type != "webhook.test" || body.Data.Site.Domain != "example.com" || body.Data.Example.Type != "goal.completed" {
		t.Errorf("payload %s; want a test of example.com with a goal inside", payload)
	}
}

func TestNothingIsEnqueuedForAWebhookThatIsOff(t *testing.T) {
	p := newPlace(t)
	id, _ := p.mustAdd(store.NewWebhook{Site: "example.com"})
	if err := p.Update(t.Context(), id, store.Changes{Enabled: pointer(false)}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.EnqueueTest(t.Context(), id, "", "", time.Now()); !errors.Is(err, store.ErrNotEnabled) {
		t.Errorf("test of a paused webhook: %v; want ErrNotEnabled", err)
	}
	if _, err := p.EnqueueTest(t.Context(), 999, "", "", time.Now()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("test of webhook 999: %v; want ErrNotFound", err)
	}
}
