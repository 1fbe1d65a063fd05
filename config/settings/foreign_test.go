package settings_test

import (
	"net/url"
	"strings"
	"testing"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/settings"
	"plausible-webhooks/config/store"

	"github.com/google/go-cmp/cmp"
)

// Ids of another site, of the instance and of the environment are nothing, in
// every route and every field.
func TestNothingOfAnotherSite(t *testing.T) {
	b := newBed(t)
	spike := []store.TriggerSpec{{Type: event.TrafficSpike, Threshold: 5}}
	own := b.add("example.com/shop", store.NewWebhook{Name: "Own", Triggers: spike})
	foreign := []store.Webhook{b.add("other.example.org", store.NewWebhook{Name: "Foreign", Triggers: spike}), b.add("", store.NewWebhook{Name: "Foreign too", Triggers: spike})}
	var environment int64
	if err := b.pool.QueryRow(t.Context(), "insert into plausible_webhooks.webhooks (site_id, name, url, managed_by) values (1, 'Foreign env', 'https://e.example.com', 'environment') returning id").Scan(&environment); err != nil {
		t.Fatal(err)
	}
	b.exec("insert into plausible_webhooks.webhook_triggers (webhook_id, type, threshold) values ($1, 'traffic.spike', 5)", environment)
	foreign = append(foreign, b.stored(environment))
	form := url.Values{"form": {"1"}, "url": {hookURL}, "name": {"Taken over"}, "format": {"standard"}, "overlap": {"0s"}, "event": {"traffic.spike"}, "type": {"traffic.drop"},
		"what": {"failed"}, "since": {"1h"}, "threshold": {"1"}}
	for _, w := range foreign {
		b.rooms.details[deliveryID] = settings.DeliveryDetail{Delivery: settings.Delivery{ID: deliveryID, WebhookID: w.ID}}
		trigger := itoa(w.Triggers[0].ID)
		for _, id := range []int64{w.ID, own.ID} {
			at := itoa(id)
			paths := []string{"/triggers/" + trigger, "/triggers/" + trigger + "/remove", "/deliveries/" + deliveryID, "/deliveries/" + deliveryID + "/resend"}
			if id == w.ID {
				paths = append(paths, "", "/edit", "/pause", "/resume", "/delete", "/secret", "/test", "/triggers/new", "/deliveries", "/deliveries/resend")
			}
			for _, path := range paths {
				for _, method := range []string{"GET", "POST"} {
					p := b.visit(method, at+path, form)
					if p.Status != 404 && p.Status != 405 || p.GoTo != "" {
						t.Errorf("%s %s: status %d, goes to %q; want nothing", method, at+path, p.Status, p.GoTo)
					}
					p.wantNothingOf("Foreign", "other.example.org")
				}
			}
		}
		if diff := cmp.Diff(w, b.stored(w.ID), cmp.Comparer(secret.Text.Equal)); diff != "" {
			t.Errorf("webhook %d changed:\n%s", w.ID, diff)
		}
	}
	if len(b.rooms.tests)+len(b.rooms.resent) != 0 {
		t.Error("something was sent")
	}
	at := itoa(own.ID)
	b.post(at+"/triggers/new", "type", "goal.completed", "goal", "20").wantWrong("goal", "no such goal")
	b.post("new", "url", hookURL, "format", "auto", "when", "own", "goal-completed-on", "1", "goal-completed-goal", "20").wantWrong("goal-completed-goal", "no such goal")
	p := b.get(at + "/triggers/new?show=1&type=goal.threshold&goal=20&threshold=3")
	p.wantWrong("goal", "no such goal")
	if len(b.rooms.trials) != 0 {
		t.Error("another site's goal was counted")
	}
	for _, path := range []string{"", "new", at, at + "/edit", at + "/triggers/new?type=goal.completed", at + "/deliveries"} {
		p := b.get(path)
		p.wantNothingOf("Foreign", "other.example.org", "Order")
		if strings.Contains(p.text(), "other") && path == "" {
			t.Error("the overview tells of others")
		}
	}
}
