package settings_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/header"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/settings"
	"plausible-webhooks/config/settings/assets"
	"plausible-webhooks/config/store"
)

// TestPreview writes every page, as it looks in a layout like Plausible's and
// in a plain one, into the folder "preview", for a person to look at:
//
//	PREVIEW=1 go test ./config/settings -run TestPreview
func TestPreview(t *testing.T) {
	if os.Getenv("PREVIEW") == "" {
		t.Skip("writes pages to look at; set PREVIEW=1")
	}
	b := newBed(t)
	ops := b.add("example.com/shop", store.NewWebhook{Name: "Ops", Headers: []header.Header{{Name: "X-Api-Key", Value: secret.New("k")}}, Triggers: []store.TriggerSpec{
		{Type: event.TrafficSpike, Threshold: 100, Recovery: true}, {Type: event.TrafficDrop}, {Type: event.GoalCompleted, Goal: "Signup"},
		{Type: event.GoalThreshold, Goal: "Signup", Threshold: 20, WindowSeconds: 900}}})
	slack := b.add("example.com/shop", store.NewWebhook{Name: "Marketing in Slack", URL: "https://hooks.slack.com/services/T0/B0/x", Format: event.Slack, Triggers: []store.TriggerSpec{{Type: event.GoalCompleted}}})
	b.add("example.com/shop", store.NewWebhook{URL: "https://a-very-long-host-name-of-some-receiver.internal-tools.example.org/x"})
	b.exec("update plausible_webhooks.webhooks set enabled = false, disabled_reason = 'failing' where id = $1", slack.ID)
	statuses := []string{settings.Delivered, settings.Delivered, settings.Failed, settings.Delivered, settings.Cancelled}
	var list []settings.Delivery
	for i := range 20 {
		d := settings.Delivery{ID: fmt.Sprintf("0199a1b2-0000-7000-8000-0000000000%02d", i), WebhookID: ops.ID, Event: event.TrafficSpike, Format: event.Standard,
			Status: statuses[i%len(statuses)], Attempts: 1 + 3*(i%len(statuses)/2%2), LastStatusCode: 200, InsertedAt: clock.Add(-time.Duration(i) * 97 * time.Minute), FinishedAt: clock}
		if d.Status == settings.Failed {
			d.LastError = "answered 503 Service Unavailable"
		}
		if d.Status == settings.Cancelled {
			d.LastError = "the webhook is paused"
		}
		if i%3 == 1 {
			d.Event = event.GoalCompleted
		}
		list = append(list, d)
	}
	list[0].Status, list[0].NextAttemptAt, list[0].LastError, list[0].LastStatusCode, list[0].Attempts = settings.Pending, clock, "", 0, 1
	b.rooms.latest = map[int64][]settings.Delivery{ops.ID: list, slack.ID: list[2:4]}
	b.rooms.log = settings.LogPage{Deliveries: list, Next: "x"}
	payload, err := event.Render(event.Example(clock, event.TrafficSpike, event.Site{ID: 1, Domain: "example.com"}, event.Webhook{ID: 7, Name: "Ops"}, "https://plausible.example.com"), event.Standard)
	if err != nil {
		t.Fatal(err)
	}
	failed := settings.DeliveryDetail{Delivery: list[2], Payload: payload, AttemptLog: []settings.Attempt{
		{Number: 1, StartedAt: clock, Done: true, Duration: 5 * time.Second, Error: "no answer within 5 s"},
		{Number: 2, StartedAt: clock.Add(6 * time.Second), Done: true, Duration: 132 * time.Millisecond, StatusCode: 503, Error: "answered 503 Service Unavailable", Excerpt: "<html><h1>Down for maintenance</h1>" + strings.Repeat(" please come back", 20)},
	}}
	pending := settings.DeliveryDetail{Delivery: list[0], Payload: payload, AttemptLog: []settings.Attempt{{Number: 1, StartedAt: clock}}}
	b.rooms.details[list[2].ID], b.rooms.details[list[0].ID] = failed, pending
	b.rooms.outlook = outlook(130)

	at := itoa(ops.ID)
	trigger := at + "/triggers/" + itoa(ops.Triggers[0].ID)
	pages := map[string]page{
		"overview": b.get(""), "add": b.get("new"), "webhook": b.get(at + "?done=saved"), "edit": b.get(at + "/edit"), "trigger-type": b.get(at + "/triggers/new"),
		"trigger": b.get(trigger + "?show=1&threshold=100&recovery=1"), "secret": b.get(at + "/secret"), "delete": b.get(at + "/delete"),
		"log": b.get(at + "/deliveries"), "delivery-failed": b.get(at + "/deliveries/" + list[2].ID), "delivery-pending": b.get(at + "/deliveries/" + list[0].ID),
		"disabled": b.get(itoa(slack.ID)), "lost": b.get("999"),
		"add-wrong": b.post("new", "url", "http://localhost/x", "format", "auto", "when", "own", "traffic-spike-on", "1", "traffic-spike-threshold", "many", "goal-threshold-on", "1"),
		"add-chart": b.post("new", "url", hookURL, "format", "auto", "when", "own", "traffic-spike-on", "1", "traffic-spike-threshold", "100", "show", "traffic.spike"),
		"added":     b.post("new", "form", "1", "url", hookURL, "format", "auto", "name", "Ops", "when", "existing"),
	}
	b.exec("update plausible_webhooks.webhooks set disabled_reason = 'transferred' where id = $1", slack.ID)
	pages["transferred"], pages["transferred-edit"] = b.get(itoa(slack.ID)), b.post(itoa(slack.ID)+"/resume")
	b.site = settings.Site{ID: 2, Domain: "other.example.org", Timezone: "Etc/UTC"}
	pages["overview-empty"] = b.get("")
	folder := "preview"
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pw.css", "pw.js"} {
		content, _, _ := assets.Open(assets.Path(name))
		write(t, filepath.Join(folder, name), string(content))
	}
	for name, p := range pages {
		body := strings.ReplaceAll(strings.ReplaceAll(string(p.Body), base+"/assets/"+assets.Path("pw.css"), "pw.css"), base+"/assets/"+assets.Path("pw.js"), "pw.js")
		for theme, class := range map[string]string{"light": "", "dark": "dark"} {
			write(t, filepath.Join(folder, name+"-"+theme+".html"), fmt.Sprintf(previewLayout, class, p.Title, body))
		}
	}
}

// outlook is a believable month of which the threshold is crossed three times.
func outlook(most int) settings.Outlook {
	o := settings.Outlook{Threshold: 100, WindowSeconds: 300, CooldownSeconds: 43200, Since: clock.Add(-30 * 24 * time.Hour), Until: clock, Rows: 1000, Step: time.Hour,
		Others: []settings.Outcome{{Threshold: 50, Fired: 11}, {Threshold: 200, Fired: 0}}}
	for i := range 30 * 24 {
		at := o.Since.Add(time.Duration(i) * time.Hour)
		value := int(30 + 25*math.Sin(float64(at.Hour()-8)/24*2*math.Pi) + float64(i*7%11))
		if i == 200 || i == 640 || i == 700 {
			value = most - i%7
			o.Firings = append(o.Firings, settings.Firing{At: at.Add(20 * time.Minute), Value: value})
			o.Fired++
		}
		if value > o.Extreme.Value {
			o.Extreme = settings.Point{At: at, Value: value}
		}
		o.Series = append(o.Series, settings.Point{At: at, Value: value})
	}
	return o
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// previewLayout has the measures of Plausible's settings, and what its reset
// does to headings, lists and buttons.
const previewLayout = `<!doctype html><html lang="en" class="%s"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>%s</title>
<style>*,::before,::after{box-sizing:border-box;border:0 solid #e5e7eb}body{margin:0;font:16px/1.5 system-ui,sans-serif;background:#f9fafb;color:#111827}
.dark body{background:#111827;color:#f3f4f6}h1,h2,h3,h4,p{margin:0;font-size:inherit;font-weight:inherit}button,input,select{font:inherit;color:inherit;margin:0}
main{max-width:1150px;margin:0 auto;padding:24px 16px}.grid{display:block}@media(min-width:1024px){.grid{display:grid;grid-template-columns:16rem 1fr;gap:20px}}
.site{font-size:1.5rem;font-weight:700;padding-bottom:1.25rem;border-bottom:1px solid #d1d5db;margin-bottom:1rem}nav.side{display:none}@media(min-width:1024px){nav.side{display:block}}</style></head>
<body><main><h1 class="site">Settings for example.com/shop</h1><div class="grid"><nav class="side" aria-label="Settings">General<br>Goals<br>Webhooks</nav><div>%s</div></div></main></body></html>
`
