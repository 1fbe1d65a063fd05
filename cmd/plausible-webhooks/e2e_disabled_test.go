package main

import (
	"strconv"
	"strings"
	"testing"

	"plausible-webhooks/config/event/eventtest"
	"plausible-webhooks/deploy/devstack/stack"
)

// A webhook that has failed for six days is disabled, the site's other one is
// told, what fires meanwhile is kept, and goes out once a person has enabled
// the webhook and asked for it.
func TestAFailingWebhookIsDisabledToldAndResent(t *testing.T) {
	w := newWorld(t, stack.TestDatabase(t, stack.V32), stack.TestEvents(t))
	w.addSite(1, "example.com")
	w.startReady()
	hook, ops := w.addHook(1, "/hook", hookSecret), w.addHook(1, "/ops", hookSecret)
	from := w.addTrigger(hook, "traffic.spike", 3)
	w.exec(`with failed as (
			insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload, status, attempts, last_error, inserted_at, finished_at)
			select $1, 'goal.completed', '{}', 'failed', 4, 'connection refused', now() - interval '6 days', now() - interval '6 days' from generate_series(1, 3)
			returning id
		) insert into plausible_webhooks.webhook_delivery_attempts (delivery_id, attempt, started_at, error)
		select id, n, now() - interval '6 days', 'connection refused' from failed, generate_series(1, 4) n`, hook)
	if err := w.process.Stop(); err != nil {
		t.Fatal(err)
	}
	w.startReady()

	told := w.received("/ops", 1, patience)[0]
	eventtest.Validate(t, told.Body)
	verify(t, told)
	if !strings.Contains(string(told.Body), `"dashboard_url":"https://plausible.example.com/example.com"`) {
		t.Errorf("payload %s", told.Body)
	}
	w.until("metrics tell of it", patience, func() bool {
		metrics := w.metrics()
		return strings.Contains(metrics, `plausible_webhooks_webhooks_disabled_total{reason="failing"} 1`) &&
			strings.Contains(metrics, `plausible_webhooks_disabled_webhooks{reason="failing"} 1`)
	})
	w.visit(1, 3, from)
	w.until("what fired is kept", patience, func() bool {
		return value[int](w, "select count(*) from plausible_webhooks.webhook_deliveries where webhook_id = $1 and event_type = 'traffic.spike' and status = 'cancelled'", hook) == 1
	})
	id := strconv.FormatInt(hook, 10)
	if _, err := w.process.Command(t.Context(), "delivery", "resend", "--webhook", id, "--since", "1h"); err == nil {
		t.Error("resent to a disabled webhook")
	}
	for _, args := range [][]string{{"webhook", "update", id, "--enable"}, {"delivery", "resend", "--webhook", id, "--since", "1h"}} {
		if out, err := w.process.Command(t.Context(), args...); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	verify(t, w.received("/hook", 1, patience)[0])
	if n := len(w.receiver.Requests("/ops")); n != 1 {
		t.Errorf("webhook %d was told %d times", ops, n)
	}
}
