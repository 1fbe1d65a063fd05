package event_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/event/eventtest"

	"pgregory.net/rapid"
)

// hostile are names as a visitor might choose them to make an alert act.
var hostile = []string{
	"@everyone", "@here", "@channel", "<!channel>", "<!here|here>", "<@U123>", "<#C123>", "<users/all>", "<@&42>", "</cmd:1>",
	"[free](https://evil.example)", "<https://evil.example|Dashboard>", "[a][b]", "[b]: https://evil.example",
	"![x](http://evil.example/x.png)", "https://evil.example/?a=b&c=d", "www.evil.example", "evil.example", "tg://resolve?domain=x",
	"mailto:a@evil.example", "*bold*", "_it_", "~s~", "`c`", "```", "||spoiler||", "# big", "> quote", "\\", "\\@everyone", "/start", "#tag", "$TAG",
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

func FuzzNames(f *testing.F) {
	for i, bad := range hostile {
		f.Add(bad, uint8(i))
	}
	f.Fuzz(func(t *testing.T, name string, pick uint8) {
		for _, problem := range problems(eventOf(func() string { return name }, int(pick)%(2*sampleCount), int(pick)+1)) {
			t.Error(problem)
		}
	})
}

// problems renders an event in every format and says what is wrong with it.
func problems(e event.Event) []string {
	var found []string
	for _, format := range event.Formats() {
		body, err := event.Render(e, format)
		if err != nil {
			found = append(found, fmt.Sprintf("%s: %v", format, err))
			continue
		}
		for _, problem := range problemsOf(format, body) {
			found = append(found, fmt.Sprintf("%s: %s in %.3000s", format, problem, body))
		}
	}
	return found
}

func problemsOf(format event.Format, body string) []string {
	var found []string
	if !utf8.ValidString(body) {
		found = append(found, "invalid UTF-8")
	}
	if format == event.Standard {
		// JSON asks for an escape of these only; the others are data.
		if strings.ContainsFunc(body, func(r rune) bool { return r < ' ' }) {
			found = append(found, "a raw control character")
		}
		if err := eventtest.Check([]byte(body)); err != nil {
			found = append(found, err.Error())
		}
		return found
	}
	texts, links, err := textsOf(format, body)
	if err != nil {
		return append(found, err.Error())
	}
	for _, text := range texts {
		for _, r := range text {
			if unicode.IsControl(r) && r != '\n' || r == '\u202e' || r == '\u2028' {
				found = append(found, fmt.Sprintf("the character %U", r))
			}
		}
		for _, acts := range forbidden[format] {
			if strings.Contains(text, acts) {
				found = append(found, fmt.Sprintf("the text %q", acts))
			}
		}
	}
	for _, link := range links {
		if !strings.HasPrefix(link, base+"/") {
			found = append(found, fmt.Sprintf("a link to %q", link))
		}
		if format == event.Discord && len(link) > 2048 {
			found = append(found, fmt.Sprintf("a link of %d bytes", len(link)))
		}
	}
	return append(found, tooLarge(format, body, texts)...)
}

// forbidden is text that a service acts on, searched for in what is left once
// our own link is taken away.
var everywhere = []string{"@everyone", "@here", "@channel", "](", "://", "www.e", "evil.example"}

var forbidden = map[event.Format][]string{
	event.Slack:      append([]string{"<", ">", "`", "~"}, everywhere...),
	event.Discord:    append([]string{"||", "```"}, everywhere...),
	event.Teams:      everywhere,
	event.GoogleChat: append([]string{"<", ">", "`", "~"}, everywhere...),
	event.Telegram:   append([]string{"/start", "#tag", "$TAG"}, everywhere...),
	event.Ntfy:       everywhere,
}

// textsOf takes a body apart as its service does: texts as they are parsed
// there, without the link that we put in, and the links.
func textsOf(format event.Format, body string) (texts, links []string, err error) {
	if format == event.Ntfy {
		text, link := cutLink(body)
		return []string{text}, link, nil
	}
	var message struct {
		Text    string `json:"text"`
		Content string `json:"content"`
		Summary string `json:"summary"`
		Embeds  []struct{ Title, URL, Description string }
		Allowed *struct {
			Parse []string `json:"parse"`
		} `json:"allowed_mentions"`
		Preview struct {
			Disabled bool `json:"is_disabled"`
		} `json:"link_preview_options"`
		Attachments []struct {
			Content struct {
				Body []struct {
					Type    string
					Inlines []struct{ Type, Text string }
				}
				Actions []struct{ URL string }
			}
		}
	}
	if err := json.NewDecoder(bytes.NewReader([]byte(body))).Decode(&message); err != nil {
		return nil, nil, err
	}
	switch format {
	case event.Slack, event.GoogleChat:
		before, after, ok := strings.Cut(message.Text, "\n<"+base)
		if link, label, _ := strings.Cut(after, "|"); ok && label == "Open the dashboard>" {
			links = append(links, base+link)
		} else if ok {
			return nil, nil, fmt.Errorf("text after the link: %q", after)
		}
		return []string{before}, links, nil
	case event.Telegram:
		if !message.Preview.Disabled {
			return nil, nil, fmt.Errorf("link previews are on")
		}
		text, link := cutLink(message.Text)
		return []string{text}, link, nil
	case event.Discord:
		if message.Allowed == nil || message.Allowed.Parse == nil || len(message.Allowed.Parse) > 0 {
			return nil, nil, fmt.Errorf("mentions are parsed")
		}
		texts = append(texts, message.Content)
		for _, embed := range message.Embeds {
			texts = append(texts, embed.Title, embed.Description)
			if embed.URL != "" {
				links = append(links, embed.URL)
			}
		}
		return unescaped(texts), links, nil
	default:
		texts = append(texts, message.Summary)
		for _, attachment := range message.Attachments {
			for _, block := range attachment.Content.Body {
				for _, run := range block.Inlines {
					if block.Type != "RichTextBlock" || run.Type != "TextRun" {
						return nil, nil, fmt.Errorf("text in a %s, where Markdown may be read", block.Type)
					}
					texts = append(texts, run.Text)
				}
			}
			for _, action := range attachment.Content.Actions {
				links = append(links, action.URL)
			}
		}
		return texts, links, nil
	}
}

func cutLink(text string) (string, []string) {
	before, after, ok := strings.Cut(text, "\n"+base)
	if !ok {
		return text, nil
	}
	return before, []string{base + after}
}

// unescaped drops what a backslash makes literal in Discord.
func unescaped(texts []string) []string {
	all := make([]string, len(texts))
	for i, text := range texts {
		var b strings.Builder
		for j := 0; j < len(text); j++ {
			if text[j] == '\\' {
				j++
				continue
			}
			b.WriteByte(text[j])
		}
		all[i] = b.String()
	}
	return all
}

// tooLarge holds bodies to the limits that the services publish.
func tooLarge(format event.Format, body string, texts []string) []string {
	var message struct {
		Text    string
		Content string
		Embeds  []struct{ Title, Description string }
	}
	if format != event.Ntfy {
		if err := json.Unmarshal([]byte(body), &message); err != nil {
			return []string{err.Error()}
		}
	}
	units := func(s string) int { return len(utf16.Encode([]rune(s))) }
	within := func(what string, size, limit int) []string {
		if size > limit {
			return []string{fmt.Sprintf("%s of %d, more than %d", what, size, limit)}
		}
		return nil
	}
	switch format {
	case event.Slack:
		return within("text", utf8.RuneCountInString(message.Text), 4000)
	case event.Discord:
		found := within("content", units(message.Content), 2000)
		for _, embed := range message.Embeds {
			found = append(found, within("title", units(embed.Title), 256)...)
			found = append(found, within("description", units(embed.Description), 4096)...)
			found = append(found, within("embed", units(embed.Title)+units(embed.Description), 6000)...)
		}
		return found
	case event.Teams:
		return within("message", len(body), 28000)
	case event.GoogleChat:
		return within("message", len(body), 32000)
	case event.Telegram:
		return within("text", units(message.Text), 4096)
	default:
		return within("message", len(body), 4096)
	}
}
