package event_test

import (
	"mime"
	"strings"
	"testing"

	"plausible-webhooks/config/event"

	"github.com/google/go-cmp/cmp"
)

func TestTitleAndClickOfNtfy(t *testing.T) {
	titles := map[string]string{
		"spike": "Traffic spike: example.com", "spike-hostile": "Traffic spike: example.com", "spike-again": "Traffic spike: example.com",
		"spike-ended": "Traffic spike ended: example.com", "spike-ended-removed": "Traffic spike ended: example.com",
		"drop": "Traffic drop: example.com", "drop-ended": "Traffic drop ended: example.com",
		"goal": "Goal completed: example.com", "goal-threshold": "Goal threshold reached: example.com",
		"goal-threshold-scroll-again": "Goal threshold reached: example.com",
		"goal-threshold-ended":        "Goal alert ended: example.com", "goal-threshold-ended-removed": "Goal alert ended: example.com",
		"disabled": "Webhook disabled: example.com", "disabled-gone-instance-wide": "Webhook disabled",
		"test": "Test message: example.com", "test-instance-wide": "Test message",
	}
	for name, e := range events() {
		for _, format := range event.Formats() {
			body, err := event.Render(e, format)
			if err != nil {
				t.Fatal(err)
			}
			got := event.Headers(format, e.Type, body)
			if format != event.Ntfy {
				if len(got) > 0 {
					t.Errorf("%s as %s has headers %v", name, format, got)
				}
				continue
			}
			want := map[string]string{"Title": titles[name]}
			if !strings.Contains(name, "instance-wide") {
				want["Click"] = dashboard(strings.HasPrefix(name, "spike"))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

func TestTitlesOutsideASCIIAreEncoded(t *testing.T) {
	tests := map[string]string{ // By domain.
		"bücher.example":           "=?utf-8?q?Traffic_drop:_b=C3=BCcher.example?=",
		"shop.example/en":          "Traffic drop: shop.example/en",
		"=?utf-8?q?=0D=0AX:_y?=":   "",
		"a\r\nX-Header: 1":         "Traffic drop: a X-Header: 1",
		strings.Repeat("ü", 200):   "",
		strings.Repeat("😀 =?", 30): "",
	}
	for domain, want := range tests {
		e := event.New(at, event.DropData{
			Origin:        event.Origin{Site: event.Site{ID: 1, Domain: domain}},
			WindowSeconds: 3600, DashboardURL: event.DashboardURL(base, domain, false),
		})
		body, err := event.Render(e, event.Ntfy)
		if err != nil {
			t.Fatal(err)
		}
		got := event.Headers(event.Ntfy, e.Type, body)["Title"]
		if want != "" && got != want {
			t.Errorf("%q: got %q, want %q", domain, got, want)
		}
		for _, problem := range headerProblems(map[string]string{"Title": got}) {
			t.Errorf("%q: %s", domain, problem)
		}
		if decoded, err := new(mime.WordDecoder).DecodeHeader(got); err != nil || !strings.HasPrefix(decoded, "Traffic drop: ") {
			t.Errorf("%q: decoded as %q, %v", domain, decoded, err)
		}
	}
}

func TestHeadersOfBodiesThatOthersWrote(t *testing.T) {
	tests := []struct {
		typ  event.Type
		body string
		want map[string]string
	}{
		{"custom.thing", "hello", map[string]string{}},
		{"custom.thing", "hello\nhttps://example.com/x", map[string]string{"Click": "https://example.com/x"}},
		{event.TrafficSpike, "", map[string]string{"Title": "Traffic spike"}},
		{event.TrafficSpike, "https://example.com/x", map[string]string{"Title": "Traffic spike"}},
		{event.TrafficSpike, "hello\nhttps://example.com/x", map[string]string{"Title": "Traffic spike", "Click": "https://example.com/x"}},
		{event.TrafficSpike, "hello x\nhttps://example.com/x?y", map[string]string{"Title": "Traffic spike: x", "Click": "https://example.com/x?y"}},
		{event.TrafficSpike, "hello\nhttps://example.com/x y", map[string]string{"Title": "Traffic spike"}},
		{event.TrafficSpike, "hello\nhttps://example.com/x\r", map[string]string{"Title": "Traffic spike"}},
		{event.TrafficSpike, "hello\njavascript:alert(1)", map[string]string{"Title": "Traffic spike"}},
		{event.TrafficSpike, "hello\nhttps://example.com/" + strings.Repeat("x", 2000), map[string]string{"Title": "Traffic spike"}},
		{event.TrafficSpike, "hello\nhttps://example.com/\xff", map[string]string{"Title": "Traffic spike"}},
		{event.TrafficSpike, "hello\nhttps://bücher.example/%zz", map[string]string{"Title": "Traffic spike", "Click": "=?utf-8?q?https://b=C3=BCcher.example/%zz?="}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, event.Headers(event.Ntfy, test.typ, test.body)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.body, diff)
		}
	}
}
