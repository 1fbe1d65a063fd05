package event_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"plausible-webhooks/config/event"

	"pgregory.net/rapid"
)

// hostile are names as a visitor might choose them to make an alert act.
var hostile = []string{
	"@everyone", "@here", "@channel", "<!channel>", "<!here|here>", "<@U123>", "<#C123>", "<users/all>", "<@&42>", "</cmd:1>",
	"[free](https://evil.example)", "<https://evil.example|Dashboard>", "[a][b]", "[b]: https://evil.example",
	"![x](http://evil.example/x.png)", "https://evil.example/?a=b&c=d", "www.evil.example", "evil.example", "tg://resolve?domain=x",
	"mailto:a@evil.example", "*bold*", "_it_", "~s~", "`c`", "```", "||spoiler||", "# big", "> quote", "\\", "\\@everyone", "/start", "#tag", "$TAG",
	"evil.example/x", "https:/\u200devil.\u200dexample", "@\u200deveryone", "@\ufe0fhere", "＠channel", "evil。example", "evil.\ufe0fexample", "1.2.3.4:8080", "a@evil.example",
	"<at>Everyone</at>", "<!subteam^S1>", "<!date^0^x^https://evil.example|y>", "<t:0:R>", ":tada:", "-# small", "* item", "\u2066x\u2069", "\u3164\u034f\u00ad", "e\u0301\u0301\u0301", "._0", "0.`0", "0.*0", "\ufffe\ufdd0",
	"=?utf-8?q?=0D=0AX:_y?=", `"quoted" \" and 'more'`, "(b) [a]", "]\u200d(https://evil.example)", "{{.Site}}", "%0aX: y", "é\u200dé", "می\u200cخواهم",
	"a\nb", "a\r\nX-Header: 1", "\x00", "\x1b[31m", "\u202eevil", "\u2028", "\u200b", "&lt;!channel&gt;", "&", "\xff\xfe", "🏴\u200d☠️", "ünï",
	strings.Repeat("x", 5000), strings.Repeat("😀", 3000), strings.Repeat("a.", 2000), strings.Repeat("\\_", 2000), strings.Repeat("&", 3000),
}

func nameOf(t *rapid.T, label string) string {
	part := rapid.OneOf(rapid.SampledFrom(hostile), rapid.String())
	return strings.Join(rapid.SliceOfN(part, 0, 4).Draw(t, label), rapid.SampledFrom([]string{"", " "}).Draw(t, label+" joint"))
}

// sampleCount is how many kinds of data eventOf knows; each is picked twice,
// the second time as the example inside a test.
const sampleCount = 11

// eventOf is an event in which every text that others choose is called as
// given.
func eventOf(name func() string, pick, number int) event.Event {
	// Domains and names of goals are never empty in Plausible.
	some := func() string { return cmp.Or(name(), "-") }
	counts := func() []event.Count {
		var all []event.Count
		for i := range 3 {
			all = append(all, event.Count{Name: name(), Visitors: number + i})
		}
		return all
	}
	from := event.Origin{
		Site: event.Site{ID: 1, Domain: some()}, Webhook: event.Webhook{ID: 7, Name: name()},
		Trigger: event.Trigger{ID: 12, Threshold: &number, WindowSeconds: &number, CooldownSeconds: &number},
	}
	link := event.DashboardURL(base, from.Site.Domain, true)
	goal := func(kind string) event.Goal { return event.Goal{ID: 1, Name: some(), Kind: kind} }
	samples := [sampleCount]event.Data{
		event.SpikeData{
			Origin: from, Episode: episode(0, 2), CurrentVisitors: number, WindowSeconds: number,
			TopSources: counts(), TopPages: counts(), DashboardURL: link,
		},
		event.SpikeEndedData{Origin: from, Episode: episode(0, 1), Reason: event.Recovered, PeakVisitors: number, DashboardURL: link},
		event.DropData{Origin: from, Episode: episode(0, 2), Visitors: number, WindowSeconds: number, DashboardURL: link},
		event.DropEndedData{Origin: from, Episode: episode(0, 1), Reason: event.Changed, Visitors: &number, DashboardURL: link},
		event.GoalData{
			Origin: from, Goal: goal("event"), Conversions: number, Visitors: number,
			Period: event.Period{From: at, To: at}, TopSources: counts(), DashboardURL: link,
		},
		event.GoalThresholdData{
			Origin: from, Episode: episode(0, 2), Goal: goal("page"), Conversions: number, Visitors: number, WindowSeconds: number,
			TopSources: counts(), DashboardURL: link,
		},
		event.GoalThresholdData{
			Origin: from, Episode: episode(0, 1), Goal: goal("scroll"), Conversions: number, Visitors: number, WindowSeconds: number,
			TopSources: counts(), DashboardURL: link,
		},
		event.GoalThresholdEndedData{
			Origin: from, Episode: episode(0, 1), Goal: goal("event"), Reason: event.Recovered, Conversions: &number, PeakConversions: number,
			DashboardURL: link,
		},
		event.GoalThresholdEndedData{Origin: from, Episode: episode(0, 1), Goal: goal("scroll"), Reason: event.Removed, PeakConversions: number, DashboardURL: link},
		event.DisabledData{
			Site: &from.Site, Webhook: from.Webhook, DashboardURL: &link,
			Disabled: event.Disabled{ID: 9, Name: name(), Host: "evil.example", Reason: event.Failing, Since: &at, LastError: new(name())},
		},
		event.DisabledData{
			Webhook:  from.Webhook,
			Disabled: event.Disabled{ID: 9, Name: name(), Host: "evil.example:8443", Reason: event.Gone, LastStatusCode: new(410)},
		},
	}
	sample := samples[pick%len(samples)]
	if pick < len(samples) {
		return event.New(at, sample)
	}
	return event.New(at, event.TestData{
		Site: &from.Site, Webhook: from.Webhook, DashboardURL: &link,
		Example: event.Sample{Type: sample.Type(), Data: sample},
	})
}

func TestNoNameCanMakeAMessageActOrOutgrowItsService(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := eventOf(func() string { return nameOf(t, "name") },
			rapid.IntRange(0, 2*sampleCount-1).Draw(t, "event"), rapid.IntRange(1, 1<<50).Draw(t, "number"))
		for _, problem := range problems(e) {
			t.Error(problem)
		}
	})
}

func TestEachHostileNameAlone(t *testing.T) {
	for _, bad := range hostile {
		for pick := range 2 * sampleCount {
			for _, problem := range problems(eventOf(func() string { return bad }, pick, 12)) {
				t.Errorf("name %.60q, event %d: %s", bad, pick, problem)
			}
		}
	}
}

// problems renders an event in every format and says what is wrong with it.
func problems(e event.Event) []string {
	var found []string
	for _, format := range event.Formats() {
		found = append(found, problemsIn(format, e)...)
	}
	return found
}

func problemsIn(format event.Format, e event.Event) []string {
	body, err := event.Render(e, format)
	if err != nil {
		return []string{fmt.Sprintf("%s: %v", format, err)}
	}
	var found []string
	for _, problem := range append(problemsOf(format, body), headerProblems(event.Headers(format, e.Type, body))...) {
		found = append(found, fmt.Sprintf("%s: %s in %.3000s", format, problem, body))
	}
	return found
}
