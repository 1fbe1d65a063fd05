package settings_test

import (
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/header"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/settings"
	"plausible-webhooks/config/store"

	"golang.org/x/net/html"
)

const deliveryID = "0199a1b2-0000-7000-8000-000000000001"

func TestLogIsFilteredAndPaged(t *testing.T) {
	b := newBed(t)
	w := b.add("example.com/shop", store.NewWebhook{Name: "Ops"})
	at := itoa(w.ID) + "/deliveries"
	b.get(at).wantText("Nothing has been sent yet")
	b.rooms.log = settings.LogPage{Next: "1764000000000000." + deliveryID, Deliveries: []settings.Delivery{
		{ID: deliveryID, WebhookID: w.ID, Event: event.TrafficSpike, Status: settings.Failed, Attempts: 4, LastError: "<script>alert(1)</script>", InsertedAt: clock}}}
	p := b.get(at + "?status=failed&event=traffic.spike&period=24h")
	p.wantText("Failed Traffic spike Failed after 4 attempts: <script>alert(1)</script>", "24 Nov, 14:00:00")
	p.wantNothingOf("<script>alert")
	q := b.rooms.asked
	if q.Site != 1 || q.Webhook != w.ID || q.Status != settings.Failed || q.Event != event.TrafficSpike || !q.From.Equal(clock.Add(-24*time.Hour)) || q.Limit != 50 {
		t.Errorf("asked for %+v", q)
	}
	older := p.all(func(n *html.Node) bool { return attr(n, "rel") == "next" })
	if len(older) != 1 {
		t.Fatal("there is no way to older deliveries")
	}
	path, ok := strings.CutPrefix(attr(older[0], "href"), base+"/")
	if !ok {
		t.Fatalf("older deliveries are at %s", attr(older[0], "href"))
	}
	b.get(path).wantText("Newest")
	if q := b.rooms.asked; q.After != b.rooms.log.Next || q.Status != settings.Failed || q.Event != event.TrafficSpike || q.From.IsZero() {
		t.Errorf("the next page asked for %+v", q)
	}
	b.get(at + "?until=2026-11-20")
	if want := time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC); !b.rooms.asked.Until.Equal(want) {
		t.Errorf("until the 20th asked for %v; want the day's end in the site's time zone, %v", b.rooms.asked.Until, want)
	}
	b.get(at+"?until=soon").wantWrong("until", "Enter a day")
	b.get(at + "?status=odd&event=odd&period=odd")
	if q := b.rooms.asked; q.Status != "" || q.Event != "" || !q.From.IsZero() {
		t.Errorf("a filter that is none asked for %+v", q)
	}
	b.rooms.log = settings.LogPage{Partial: true, Next: "x", Oldest: clock.Add(-time.Hour)}
	b.get(at+"?event=traffic.spike").wantText("Nothing fits between now and 24 Nov, 13:00", "Look further back")
}

func TestResendingSeveral(t *testing.T) {
	b := newBed(t)
	w := b.add("example.com/shop", store.NewWebhook{})
	at := itoa(w.ID) + "/deliveries/resend"
	b.rooms.count = 12
	p := b.post(at, "what", "both", "since", "24h")
	p.wantGoTo("/" + itoa(w.ID) + "/deliveries?done=resent-all&count=12")
	if got := strings.Join(b.rooms.resent, " "); got != "2026-11-23T12:00:00Z failed,cancelled" {
		t.Errorf("resent %s", got)
	}
	b.get(strings.TrimPrefix(p.GoTo, base+"/")).wantText("12 deliveries are on the way again")
	b.rooms.count = 0
	b.post(at, "what", "failed", "since", "1h").wantGoTo("/" + itoa(w.ID) + "/deliveries?done=resent-none")
	b.post(at, "what", "pending", "since", "1h").wantText("Choose what to send again")
	b.post(at, "what", "failed").wantText("Choose what to send again")
	b.rooms.refuse = settings.ErrDisabled
	b.post(at, "what", "failed", "since", "1h").wantText("Switch it on again first")
}

func TestDeliveryTellsItsStory(t *testing.T) {
	b := newBed(t)
	w := b.add("example.com/shop", store.NewWebhook{Headers: []header.Header{{Name: "X-Api-Key", Value: secret.New("very-private-value")}}})
	at := itoa(w.ID) + "/deliveries/" + deliveryID
	d := settings.DeliveryDetail{
		Delivery: settings.Delivery{ID: deliveryID, WebhookID: w.ID, Event: event.GoalCompleted, Format: event.Standard, Status: settings.Failed, Attempts: 2,
			LastError: "answered 503 Service Unavailable", LastStatusCode: 503, InsertedAt: clock, FinishedAt: clock.Add(time.Minute)},
		Payload: `{"type":"goal.completed","data":{"name":"<b>x</b>"}}`,
		AttemptLog: []settings.Attempt{
			{Number: 1, StartedAt: clock, Done: true, Duration: 5 * time.Second, Error: "no answer within 5 s"},
			{Number: 2, StartedAt: clock.Add(7 * time.Second), Done: true, Duration: 132 * time.Millisecond, StatusCode: 503, Error: "answered 503 Service Unavailable", Excerpt: "<h1>Down</h1>"},
		},
	}
	b.rooms.details[deliveryID] = d
	p := b.get(at)
	p.wantText("Goal completed Failed", "No answer Attempt 1", "5.0 s", "Answered 503 Attempt 2", "132 ms", "<h1>Down</h1>", `"type": "goal.completed",`, "<b>x</b>",
		"X-Api-Key •••••• (masked)", "webhook-signature v1,•••••• (masked)", "X-Webhook-Event goal.completed", "webhook-id "+deliveryID, "webhook-timestamp 1795521607", "plausible-webhooks/1.2.3", "Send again")
	p.wantNothingOf("very-private-value", "secret-path", "<h1>Down", "<b>x")
	if p.Refresh != 0 {
		t.Error("a finished delivery is looked at again and again")
	}
	b.post(at + "/resend").wantGoTo("/" + at + "?done=resent")
	if len(b.rooms.resent) != 1 {
		t.Error("it was not resent")
	}
	b.rooms.refuse = settings.ErrInFlight
	b.post(at + "/resend").wantGoTo("/" + at + "?done=in-flight")
	b.rooms.refuse = settings.ErrDisabled
	b.post(at+"/resend").wantText("The webhook is disabled", "Goal completed")
	d.Format, d.Payload = event.Ntfy, "Goal completed\nonce"
	b.rooms.details[deliveryID] = d
	p = b.get(at)
	p.wantText("Goal completed once", "text/plain")
	p.wantNothingOf("webhook-signature")
}

func TestAnOutcomeIsSeenWithinSeconds(t *testing.T) {
	b := newBed(t)
	w := b.add("example.com/shop", store.NewWebhook{Name: "Ops", Triggers: []store.TriggerSpec{{Type: event.TrafficDrop}}})
	form := b.get(itoa(w.ID))
	for _, typ := range event.Types() {
		if offered := form.all(func(n *html.Node) bool { return n.Data == "option" && attr(n, "value") == string(typ) }); (len(offered) == 1) != (typ != event.WebhookTest) {
			t.Errorf("%s is offered %d times", typ, len(offered))
		} else if len(offered) == 1 && has(offered[0], "selected") != (typ == event.TrafficDrop) {
			t.Errorf("%s is chosen or not; want that of the first trigger", typ)
		}
	}
	b.post(itoa(w.ID)+"/test", "event", "traffic.drop").wantGoTo("/" + itoa(w.ID) + "/deliveries/" + deliveryID)
	if len(b.rooms.tests) != 1 || !strings.Contains(b.rooms.tests[0], `"webhook.test"`) || !strings.Contains(b.rooms.tests[0], `"traffic.drop"`) || !strings.Contains(b.rooms.tests[0], `"name":"Ops"`) {
		t.Errorf("tests %q", b.rooms.tests)
	}
	b.post(itoa(w.ID)+"/test", "event", "nonsense").wantText("Choose what the test should look like")
	b.rooms.refuse = settings.ErrPaused
	b.post(itoa(w.ID)+"/test", "event", "traffic.drop").wantText("The webhook is paused")

	at := itoa(w.ID) + "/deliveries/" + deliveryID
	pending := settings.DeliveryDetail{Delivery: settings.Delivery{ID: deliveryID, WebhookID: w.ID, Event: event.WebhookTest, Format: event.Standard, Status: settings.Pending, InsertedAt: clock, NextAttemptAt: clock}, Payload: "{}"}
	b.rooms.details[deliveryID] = pending
	p := b.get(at)
	p.wantText("Waiting to be sent", "This page looks again by itself", "None has been made yet")
	if p.Refresh != 2*time.Second {
		t.Errorf("it looks again after %v", p.Refresh)
	}
	b.now = clock.Add(10 * time.Second)
	b.get(at).wantText("Nobody has taken it yet")
	pending.Claimed, pending.Attempts, pending.AttemptLog = true, 1, []settings.Attempt{{Number: 1, StartedAt: b.now}}
	b.rooms.details[deliveryID] = pending
	p = b.get(at)
	p.wantText("Being sent", "On its way")
	p.wantNothingOf("Send again", "Send now")
	b.now = clock.Add(time.Hour)
	if p = b.get(at); p.Refresh != 0 {
		t.Error("it goes on looking for an hour")
	}
	pending.Claimed, pending.NextAttemptAt, pending.LastError = false, b.now.Add(time.Hour), "answered 500 Internal Server Error"
	b.rooms.details[deliveryID] = pending
	p = b.get(at)
	p.wantText("Next attempt", "Send now", "Tried 1 time so far: answered 500")
	if p.Refresh != 0 {
		t.Error("it looks again although the next attempt is an hour away")
	}
}
