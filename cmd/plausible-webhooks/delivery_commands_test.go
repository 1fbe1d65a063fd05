package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

const (
	firstDelivery  = "01990000-0000-7000-8000-000000000001"
	secondDelivery = "01990000-0000-7000-8000-000000000002"
	thirdDelivery  = "019a0000-0000-7000-8000-000000000003"
)

// newLog has three deliveries of one webhook.
func newLog(t *testing.T) shell {
	t.Helper()
	s := newShell(t)
	s.run("webhook", "add", "--url", hookURL).want(t, exitDone)
	s.exec(`insert into plausible_webhooks.webhook_deliveries
		(id, webhook_id, event_type, payload, format, status, attempts, last_status_code, last_error, inserted_at, finished_at, next_attempt_at) values
		($1, 1, 'traffic.spike', '{"type":"traffic.spike","data":{"top_pages":[{"name":"/a&b"}]}}', 'standard', 'failed', 2, 503, 'answered 503 Service Unavailable', '2026-03-01 12:00Z', '2026-03-01 12:00:03Z', null),
		($2, 1, 'goal.completed', 'Signup' || chr(27) || '[2J', 'ntfy', 'delivered', 1, 200, null, '2026-03-01 13:00Z', '2026-03-01 13:00:01Z', null),
		($3, 1, 'traffic.drop', '{}', 'standard', 'pending', 0, null, null, now(), null, now() + interval '2 hours')`, firstDelivery, secondDelivery, thirdDelivery)
	s.exec(`insert into plausible_webhooks.webhook_delivery_attempts values
		($1, 1, '2026-03-01 12:00Z', 5000, null, 'no answer within 5s', null),
		($1, 2, '2026-03-01 12:00:02Z', 31, 503, 'answered 503 Service Unavailable', 'come back later')`, firstDelivery)
	return s
}

func TestDeliveryList(t *testing.T) {
	newShell(t).run("delivery", "list").want(t, exitDone, "No deliveries yet", "webhook test")
	s := newLog(t)
	first := s.run("delivery", "list")
	first.want(t, exitDone, firstDelivery, secondDelivery, thirdDelivery, "2026-03-01 12:00:00", "answered 503 Service Unavailable")
	if strings.Index(first.stdout, thirdDelivery) > strings.Index(first.stdout, firstDelivery) {
		t.Errorf("want the newest first:\n%s", first.stdout)
	}
	failed := s.run("delivery", "list", "--status", "failed,cancelled")
	failed.want(t, exitDone, firstDelivery)
	if strings.Contains(failed.stdout, secondDelivery) {
		t.Errorf("--status failed,cancelled lists what was delivered:\n%s", failed.stdout)
	}
	s.run("delivery", "list", "--webhook", "9").want(t, exitDone, "No deliveries like that")
	s.run("delivery", "list", "--limit", "1").want(t, exitDone, "--before "+thirdDelivery)
	s.run("delivery", "list", "--before", "019a").want(t, exitDone, secondDelivery)
	s.run("delivery", "list", "--status", "lost").want(t, exitMistaken, "--status: ", "pending, delivered, failed, cancelled")
	s.run("delivery", "list", "--limit", "0").want(t, exitMistaken, "--limit: ")
	s.run("delivery", "list", "--since", "yesterday").want(t, exitMistaken, "--since: ")
	var entries []map[string]any
	if err := json.Unmarshal([]byte(s.run("delivery", "list", "--since", "1h", "--json").stdout), &entries); err != nil || len(entries) != 1 || entries[0]["id"] != thirdDelivery {
		t.Errorf("delivery list --since 1h --json = %v, %v; want the pending one", entries, err)
	}
}

func TestDeliveryShow(t *testing.T) {
	s := newLog(t)
	shown := s.run("delivery", "show", "01990000-0000-7000-8000-000000000001")
	shown.want(t, exitDone, "failed: answered 503 Service Unavailable", `"name": "/a&b"`, "no answer within 5s", "5000 ms", "answer: come back later", "2026-03-01 12:00:02")
	s.run("delivery", "show", "019a").want(t, exitDone, thirdDelivery, "pending, next attempt ", "No attempt has been made yet.")
	s.run("delivery", "show", "0199").want(t, exitFailed, "several deliveries begin with 0199")
	s.run("delivery", "show", "02").want(t, exitFailed, "there is no such delivery")
	s.run("delivery", "show", "not-an-id").want(t, exitMistaken, "id: ")
	text := s.run("delivery", "show", secondDelivery)
	text.want(t, exitDone, "Signup")
	if strings.Contains(text.stdout, "\x1b") {
		t.Errorf("a payload's control characters reach the terminal: %q", text.stdout)
	}
	told := decode(t, s.run("delivery", "show", firstDelivery, "--json").stdout)
	if told["event_type"] != "traffic.spike" || len(told["attempt_log"].([]any)) != 2 {
		t.Errorf("delivery show --json = %v", told)
	}
}

func TestDeliveryResend(t *testing.T) {
	s := newLog(t)
	s.run("delivery", "resend", firstDelivery).want(t, exitDone, "1 delivery is on the way again")
	var status string
	s.scan(&status, "select status from plausible_webhooks.webhook_deliveries where id = $1", firstDelivery)
	if status != "pending" {
		t.Errorf("status after a resend = %q; want pending", status)
	}
	s.run("delivery", "resend", "--webhook", "1", "--since", "2026-01-01").want(t, exitDone, "No deliveries like that")
	s.run("delivery", "resend", "--webhook", "1", "--since", "2026-01-01", "--status", "delivered").want(t, exitDone, "1 delivery is")
	for _, line := range []string{"", "0199 --webhook 1", "--webhook 1"} {
		s.run(append([]string{"delivery", "resend"}, strings.Fields(line)...)...).want(t, exitMistaken, "--since")
	}
	s.run("delivery", "resend", "--webhook", "1", "--since", "1h", "--status", "pending").want(t, exitMistaken, "--status: ")
	s.run("delivery", "resend", "--webhook", "9", "--since", "1h").want(t, exitFailed, "there is no such webhook")
	s.exec("update plausible_webhooks.webhooks set enabled = false, disabled_reason = 'failing'")
	s.run("delivery", "resend", secondDelivery).want(t, exitFailed, "webhook update", "--enable")
}

func TestTimesThatPeopleWrite(t *testing.T) {
	zone := time.FixedZone("east", 2*60*60)
	p := program{now: func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }, local: zone}
	tests := map[string]string{
		"90m":                  "2026-03-01T10:30:00Z",
		"30d":                  "2026-01-30T12:00:00Z",
		"2026-02-28":           "2026-02-27T22:00:00Z",
		"2026-02-28 19:10":     "2026-02-28T17:10:00Z",
		"2026-02-28 19:10:30":  "2026-02-28T17:10:30Z",
		"2026-02-28T19:10:00Z": "2026-02-28T19:10:00Z",
	}
	for text, want := range tests {
		got, err := p.since(text)
		if err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("since(%q) = %v, %v; want %s", text, got, err, want)
		}
	}
}
