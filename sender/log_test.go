package sender_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plausible-webhooks/sender"
)

func TestList(t *testing.T) {
	b := newBed(t)
	one, two := b.webhook("https://example.com/1", whsec), b.webhook("https://example.com/2", whsec)
	var ids []string
	for i, row := range []struct {
		webhook int64
		status  string
	}{{one, "delivered"}, {two, "failed"}, {one, "failed"}, {one, "pending"}} {
		ids = append(ids, value[string](b, `insert into plausible_webhooks.webhook_deliveries (webhook_id, site_id, event_type, payload, status, inserted_at)
			values ($1, $2, 'traffic.drop', '{}', $3, now() - $4::interval) returning id::text`, row.webhook, i, row.status, time.Duration(10-i)*time.Hour))
	}
	for name, test := range map[string]struct {
		filter sender.Filter
		want   []int
	}{
		"newest first": {sender.Filter{}, []int{3, 2, 1, 0}},
		"webhook":      {sender.Filter{WebhookID: two}, []int{1}},
		"site":         {sender.Filter{SiteID: 2}, []int{2}},
		"status":       {sender.Filter{Statuses: []string{"failed", "cancelled"}}, []int{2, 1}},
		"since":        {sender.Filter{Since: time.Now().Add(-8*time.Hour - time.Minute)}, []int{3, 2}},
		"limit":        {sender.Filter{Limit: 1}, []int{3}},
		"next page":    {sender.Filter{Limit: 2, Before: ids[2]}, []int{1, 0}},
		"none":         {sender.Filter{WebhookID: 99}, []int{}},
	} {
		got, err := sender.List(t.Context(), b.db, test.filter)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		order := []int{}
		for _, e := range got {
			order = append(order, slices.Index(ids, e.ID))
		}
		if diff := cmp.Diff(test.want, order); diff != "" || got == nil {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, id := range []string{"nonsense", "01990000-0000-7000-8000-000000000000"} {
		if _, err := sender.Show(t.Context(), b.db, id); !errors.Is(err, sender.ErrNotFound) {
			t.Errorf("show %s: got %v, want ErrNotFound", id, err)
		}
		if err := sender.Resend(t.Context(), b.db, id); !errors.Is(err, sender.ErrNotFound) {
			t.Errorf("resend %s: got %v, want ErrNotFound", id, err)
		}
	}
	text, err := json.Marshal(b.show(ids[0]))
	var keys map[string]any
	if err != nil || json.Unmarshal(text, &keys) != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"id", "webhook_id", "status", "payload", "attempt_log", "next_attempt_at"} {
		if _, ok := keys[key]; !ok {
			t.Errorf("%s lacks %s", text, key)
		}
	}
}

func TestResendRefuses(t *testing.T) {
	b := newBed(t)
	hook := b.webhook("https://example.com/1", whsec)
	id := b.enqueue(hook, "{}")
	b.exec("update plausible_webhooks.webhook_deliveries set claimed_until = now() + interval '1 minute' where id = $1", id)
	if err := sender.Resend(t.Context(), b.db, id); !errors.Is(err, sender.ErrInFlight) {
		t.Errorf("got %v, want ErrInFlight", err)
	}
	if _, err := sender.ResendSince(t.Context(), b.db, hook, time.Time{}, []string{"pending"}); err == nil {
		t.Error("pending deliveries were resent")
	}
	if _, err := sender.ResendSince(t.Context(), b.db, 99, time.Time{}, nil); !errors.Is(err, sender.ErrNoWebhook) {
		t.Errorf("got %v, want ErrNoWebhook", err)
	}
	if _, err := sender.EnqueueTest(t.Context(), b.db, sender.Test{WebhookID: 99, Format: "standard", Payload: "{}"}); !errors.Is(err, sender.ErrNoWebhook) {
		t.Errorf("got %v, want ErrNoWebhook", err)
	}
}

func TestEnqueueTest(t *testing.T) {
	b := newBed(t)
	hook := b.webhook(b.receiver.URL("/hook"), whsec)
	id, err := sender.EnqueueTest(t.Context(), b.db, sender.Test{WebhookID: hook, SiteID: 3, Format: "standard", Payload: `{"type":"webhook.test"}`})
	if err != nil {
		t.Fatal(err)
	}
	b.start(b.options())
	d := b.untilStatus(id, sender.StatusDelivered)
	if d.EventType != "webhook.test" || *d.SiteID != 3 || d.EventKey != id || b.requests("/hook", 1)[0].Header.Get("X-Webhook-Event") != "webhook.test" {
		t.Errorf("got %+v", d)
	}
}
