package event_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/event/eventtest"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

var at = time.Date(2026, 11, 23, 20, 10, 5, 987654321, time.FixedZone("UTC+1", 3600))

const base = "https://plausible.example.com"

func origin(trigger event.Trigger) event.Origin {
	return event.Origin{
		Site:    event.Site{ID: 1, Domain: "example.com"},
		Webhook: event.Webhook{ID: 7, Name: "Ops"},
		Trigger: trigger,
	}
}

func traffic(threshold, window int) event.Origin {
	return origin(event.Trigger{ID: 12, Threshold: &threshold, WindowSeconds: &window, CooldownSeconds: new(43200)})
}

func limit(threshold, window int) event.Origin {
	return origin(event.Trigger{ID: 14, Threshold: &threshold, WindowSeconds: &window, CooldownSeconds: new(43200)})
}

func episode(ago time.Duration, firing int) event.Episode {
	return event.Episode{ID: "01997a3e-5b7c-7d10-9f3a-1c2d3e4f5a6b", StartedAt: at.Add(-ago), Firing: firing}
}

func signup() event.Goal { return event.Goal{ID: 5, Name: "Signup", Kind: "event"} }

func reading() event.Goal { return event.Goal{ID: 6, Name: "Read to the end", Kind: "scroll"} }

func dashboard(realtime bool) string { return event.DashboardURL(base, "example.com", realtime) }

// events holds one event for each golden file, all with ordinary names.
func events() map[string]event.Event {
	data := map[string]event.Data{
		"spike": event.SpikeData{
			Origin: traffic(100, 300), Episode: episode(0, 1), CurrentVisitors: 132, WindowSeconds: 300,
			TopSources:   []event.Count{{Name: "Hacker News", Visitors: 80}},
			TopPages:     []event.Count{{Name: "/blog/launch_day", Visitors: 95}, {Name: "/a&b<c>.html", Visitors: 1}},
			DashboardURL: dashboard(true),
		},
		"spike-again": event.SpikeData{
			Origin: traffic(1000, 10800), Episode: episode(12*time.Hour, 2), CurrentVisitors: 12345, WindowSeconds: 10800,
			DashboardURL: dashboard(true),
		},
		"spike-hostile": event.SpikeData{
			Origin: traffic(100, 300), Episode: episode(0, 1), CurrentVisitors: 132, WindowSeconds: 300,
			TopSources: []event.Count{{Name: "@everyone <!channel> <@U1>", Visitors: 3}, {Name: "[free](https://evil.example/x)", Visitors: 2}, {Name: "*a* _b_ ~c~ `d` ||e||", Visitors: 1}},
			TopPages: []event.Count{
				{Name: "/a\r\nTop pages: b\u202ec\u200bd\u3164e", Visitors: 3}, {Name: "/evil.example/#tag?$TAG&x=<y>", Visitors: 2}, {Name: "/" + strings.Repeat("long-", 30), Visitors: 1},
			},
			DashboardURL: dashboard(true),
		},
		"spike-ended": event.SpikeEndedData{
			Origin: traffic(100, 300), Episode: episode(125*time.Minute, 1), Reason: event.Recovered,
			CurrentVisitors: new(1), PeakVisitors: 187, DurationSeconds: 7500, DashboardURL: dashboard(true),
		},
		"spike-ended-removed": event.SpikeEndedData{
			Origin: traffic(100, 300), Episode: episode(time.Minute, 1), Reason: event.Removed,
			PeakVisitors: 187, DurationSeconds: 60, DashboardURL: dashboard(true),
		},
		"drop": event.DropData{
			Origin: traffic(10, 43200), Episode: episode(0, 1), Visitors: 3, WindowSeconds: 43200, DashboardURL: dashboard(false),
		},
		"drop-ended": event.DropEndedData{
			Origin: traffic(10, 43200), Episode: episode(400*time.Minute, 1), Reason: event.Recovered,
			Visitors: new(25), DurationSeconds: 24000, DashboardURL: dashboard(false),
		},
		"goal": event.GoalData{
			Origin:      origin(event.Trigger{ID: 13, CooldownSeconds: new(0)}),
			Goal:        event.Goal{ID: 5, Name: "Visit /docs*", Kind: "page"},
			Conversions: 3, Visitors: 1, Period: event.Period{From: at.Add(-90 * time.Second), To: at.Add(-time.Second)},
			TopSources:   []event.Count{{Name: "duckduckgo.com", Visitors: 1}},
			DashboardURL: dashboard(false),
		},
		"goal-threshold": event.GoalThresholdData{
			Origin: limit(100, 3600), Episode: episode(0, 1), Goal: signup(), Conversions: 120, Visitors: 96, WindowSeconds: 3600,
			TopSources:   []event.Count{{Name: "Hacker News", Visitors: 71}, {Name: "duckduckgo.com", Visitors: 4}},
			DashboardURL: dashboard(false),
		},
		"goal-threshold-scroll-again": event.GoalThresholdData{
			Origin: limit(1000, 300), Episode: episode(12*time.Hour, 2), Goal: reading(), Conversions: 1234, Visitors: 1234, WindowSeconds: 300,
			DashboardURL: dashboard(false),
		},
		"goal-threshold-ended": event.GoalThresholdEndedData{
			Origin: limit(100, 3600), Episode: episode(125*time.Minute, 1), Goal: signup(), Reason: event.Recovered,
			Conversions: new(41), PeakConversions: 187, DurationSeconds: 7500, DashboardURL: dashboard(false),
		},
		"goal-threshold-ended-removed": event.GoalThresholdEndedData{
			Origin: limit(1000, 300), Episode: episode(time.Minute, 1), Goal: reading(), Reason: event.Removed,
			PeakConversions: 1234, DurationSeconds: 60, DashboardURL: dashboard(false),
		},
		"disabled": event.DisabledData{
			Site: &event.Site{ID: 1, Domain: "example.com"}, Webhook: event.Webhook{ID: 7, Name: "Ops"}, DashboardURL: new(dashboard(false)),
			Disabled: event.Disabled{
				ID: 9, Name: "CRM", Host: "crm.example.com", Reason: event.Failing, Since: new(at.Add(-121 * time.Hour)),
				LastStatusCode: new(503), LastError: new("answered 503 Service Unavailable"),
			},
		},
		"disabled-gone-instance-wide": event.DisabledData{
			Webhook: event.Webhook{ID: 7},
			Disabled: event.Disabled{
				ID: 9, Host: "hooks.example.org:8443", Reason: event.Gone, LastStatusCode: new(410), LastError: new("answered 410 Gone"),
			},
		},
	}
	all := map[string]event.Event{
		"test": event.Example(at, event.GoalCompleted, event.Site{ID: 1, Domain: "example.com"}, event.Webhook{ID: 7, Name: "Ops"}, base),
		"test-instance-wide": event.Example(at, event.TrafficSpike, event.Site{},
			event.Webhook{ID: 7}, base),
	}
	for name, d := range data {
		all[name] = event.New(at, d)
	}
	return all
}

func TestRenderedBodiesAreThoseOfTheGoldenFiles(t *testing.T) {
	expected := map[string]bool{}
	for name, e := range events() {
		for _, format := range event.Formats() {
			got, err := event.Render(e, format)
			if err != nil {
				t.Errorf("%s as %s: %v", name, format, err)
				continue
			}
			if format == event.Standard {
				eventtest.Validate(t, []byte(got))
			}
			file := filepath.Join("testdata", name+"."+string(format)+".golden")
			expected[file] = true
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v; go test -update writes it", err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		}
	}
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !expected[file] {
			t.Errorf("%s belongs to no event of this test", file)
		}
	}
}

func TestEveryTypeHasItsGoldenFiles(t *testing.T) {
	told := map[event.Type]bool{}
	for _, e := range events() {
		told[e.Type] = true
	}
	for _, typ := range event.Types() {
		if !told[typ] {
			t.Errorf("no golden file tells of %s", typ)
		}
	}
}

func TestHeadlines(t *testing.T) {
	want := map[string]string{
		"spike":               "132 visitors on example.com right now (threshold 100 in 5 minutes)",
		"spike-again":         "12,345 visitors on example.com in the last 3 hours (threshold 1,000)",
		"spike-hostile":       "132 visitors on example.com right now (threshold 100 in 5 minutes)",
		"spike-ended":         "The traffic spike on example.com is over after 2 h 5 min",
		"spike-ended-removed": "The traffic spike alert for example.com was closed after 1 min: its trigger was removed",
		"drop":                "Only 3 visitors on example.com in the last 12 hours (threshold 10)",
		"drop-ended":          "Traffic on example.com is back after 6 h 40 min",
		"goal":                `Goal "Visit /docs*" completed 3 times on example.com`,
		"test":                `Test message: webhook "Ops" works for example.com`,
		"test-instance-wide":  "Test message: this webhook works",

		"disabled":                    `Webhook "CRM" of example.com was disabled: none of its requests succeed any more`,
		"disabled-gone-instance-wide": "A webhook was disabled: its receiver says that it is gone for good (410)",

		"goal-threshold":               `Goal "Signup" completed 120 times on example.com in the last hour (threshold 100)`,
		"goal-threshold-scroll-again":  `Goal "Read to the end" reached by 1,234 visitors on example.com in the last 5 minutes (threshold 1,000)`,
		"goal-threshold-ended":         `Goal "Signup" on example.com is below its threshold of 100 again after 2 h 5 min`,
		"goal-threshold-ended-removed": `The alert for goal "Read to the end" on example.com was closed after 1 min: its trigger was removed`,
	}
	got := map[string]string{}
	for name, e := range events() {
		got[name] = event.Headline(e)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headlines (-want +got):\n%s", diff)
	}
}

func TestHeadlinesOfOneAndNone(t *testing.T) {
	tests := []struct {
		data event.Data
		want string
	}{
		{event.SpikeData{Origin: traffic(1, 60), CurrentVisitors: 1, WindowSeconds: 60}, "1 visitor on example.com right now (threshold 1 in 1 minute)"},
		{event.SpikeData{Origin: origin(event.Trigger{}), CurrentVisitors: 2, WindowSeconds: 300}, "2 visitors on example.com right now"},
		{event.SpikeData{Origin: origin(event.Trigger{}), CurrentVisitors: 2, WindowSeconds: 3600}, "2 visitors on example.com in the last hour"},
		{event.DropData{Origin: traffic(5, 86400), WindowSeconds: 86400}, "No visitors on example.com in the last 24 hours (threshold 5)"},
		{event.DropData{Origin: traffic(5, 3600), Visitors: 1, WindowSeconds: 3600}, "Only 1 visitor on example.com in the last hour (threshold 5)"},
		{event.DropEndedData{Origin: traffic(5, 3600), Reason: event.Changed, DurationSeconds: 59}, "The traffic drop alert for example.com was closed after 59 s: its settings were changed"},
		{event.GoalData{Origin: origin(event.Trigger{}), Goal: event.Goal{Name: "Signup", Kind: "event"}, Conversions: 1, Visitors: 1}, `Goal "Signup" completed on example.com`},
		{event.GoalData{Origin: origin(event.Trigger{}), Goal: event.Goal{Name: "Read", Kind: "scroll"}, Conversions: 1, Visitors: 1}, `Goal "Read" reached by 1 visitor on example.com`},
		{event.GoalData{Origin: origin(event.Trigger{}), Goal: event.Goal{Name: " \r\n\x00 ", Kind: "event"}, Conversions: 2}, `Goal "(none)" completed 2 times on example.com`},
		{event.GoalThresholdData{Origin: limit(1, 60), Goal: signup(), Conversions: 1, WindowSeconds: 60}, `Goal "Signup" completed on example.com in the last minute (threshold 1)`},
		{event.GoalThresholdData{Origin: limit(1, 86400), Goal: reading(), Conversions: 1, WindowSeconds: 86400}, `Goal "Read to the end" reached by 1 visitor on example.com in the last 24 hours (threshold 1)`},
		{event.GoalThresholdData{Origin: origin(event.Trigger{}), Goal: signup(), Conversions: 2, WindowSeconds: 3600}, `Goal "Signup" completed 2 times on example.com in the last hour`},
		{event.GoalThresholdEndedData{Origin: origin(event.Trigger{}), Goal: signup(), Reason: event.Recovered, DurationSeconds: 60}, `Goal "Signup" on example.com is below its threshold again after 1 min`},
		{event.GoalThresholdEndedData{Origin: limit(1, 60), Goal: signup(), Reason: event.Changed, DurationSeconds: 60}, `The alert for goal "Signup" on example.com was closed after 1 min: its settings were changed`},
	}
	for _, test := range tests {
		if got := event.Headline(event.New(at, test.data)); got != test.want {
			t.Errorf("headline %q, want %q", got, test.want)
		}
	}
}

func TestTimesAreUTCWithWholeSecondsAndListsAreNeverNull(t *testing.T) {
	got, err := event.Render(events()["spike-again"], event.Standard)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"timestamp":"2026-11-23T19:10:05Z"`, `"started_at":"2026-11-23T07:10:05Z"`,
		`"top_sources":[]`, `"top_pages":[]`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("payload lacks %s: %s", want, got)
		}
	}
}

func TestAStandardPayloadShowsNamesAsTheyAre(t *testing.T) {
	got, err := event.Render(events()["spike"], event.Standard)
	if err != nil {
		t.Fatal(err)
	}
	if want := `"name":"/a&b<c>.html"`; !strings.Contains(got, want) {
		t.Errorf("payload lacks %s: %s", want, got)
	}
}

func TestRenderRefusesWhatIsNotWellFormed(t *testing.T) {
	spike := events()["spike"]
	tests := map[string]struct {
		event  event.Event
		format event.Format
	}{
		"no data":              {event.Event{Type: event.TrafficSpike, Timestamp: at}, event.Standard},
		"data of another type": {event.Event{Type: event.TrafficDrop, Timestamp: at, Data: spike.Data}, event.Slack},
		"test without example": {event.New(at, event.TestData{}), event.Standard},
		"example of another type": {event.New(at, event.TestData{
			Example: event.Sample{Type: event.TrafficDrop, Data: spike.Data},
		}), event.Standard},
		"test of a test": {event.New(at, event.TestData{
			Example: event.Sample{Type: event.WebhookTest, Data: events()["test"].Data},
		}), event.Standard},
		"unknown format": {spike, "mattermost"},
	}
	for name, test := range tests {
		if got, err := event.Render(test.event, test.format); err == nil {
			t.Errorf("%s: rendered as %s", name, got)
		}
	}
}

func TestDashboardURL(t *testing.T) {
	tests := []struct {
		base, domain string
		realtime     bool
		want         string
	}{
		{"https://p.example.com", "example.com", true, "https://p.example.com/example.com?period=realtime"},
		{"https://p.example.com/", "example.com/blog", false, "https://p.example.com/example.com%2Fblog"},
		{"http://localhost:8000", "bücher.example", false, "http://localhost:8000/b%C3%BCcher.example"},
		{"http://localhost:8000", `a\b~c_d-e`, true, "http://localhost:8000/a%5Cb~c_d-e?period=realtime"},
	}
	for _, test := range tests {
		if got := event.DashboardURL(test.base, test.domain, test.realtime); got != test.want {
			t.Errorf("DashboardURL(%q, %q, %v) = %q, want %q", test.base, test.domain, test.realtime, got, test.want)
		}
	}
}

func TestExampleIsOfTheTypeAskedForAndKeepsToTheSchema(t *testing.T) {
	for _, asked := range append(event.Types(), "unknown") {
		for _, site := range []event.Site{{}, {ID: 3, Domain: "shop.example/en"}} {
			e := event.Example(at, asked, site, event.Webhook{ID: 7, Name: "Ops"}, base)
			want := asked
			if asked == event.WebhookTest || asked == "unknown" {
				want = event.TrafficSpike
			}
			test := e.Data.(event.TestData)
			if e.Type != event.WebhookTest || test.Example.Type != want {
				t.Errorf("asked for %s: got %s with an example of %s", asked, e.Type, test.Example.Type)
			}
			if got := test.Site != nil; got != (site != event.Site{}) {
				t.Errorf("asked for %s on %v: site %v", asked, site, test.Site)
			}
			payload, err := event.Render(e, event.Standard)
			if err != nil {
				t.Fatal(err)
			}
			eventtest.Validate(t, []byte(payload))
		}
	}
}
