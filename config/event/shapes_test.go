package event_test

import (
	"encoding/json"
	"fmt"
	"strings"

	"plausible-webhooks/config/event"
)

// The shapes that the services document; a body has no other keys.
type (
	slackBody struct {
		Text        string `json:"text"`
		Markdown    bool   `json:"mrkdwn"`
		LinkNames   bool   `json:"link_names"`
		UnfurlLinks bool   `json:"unfurl_links"`
		UnfurlMedia bool   `json:"unfurl_media"`
	}
	googleChatBody struct {
		Text string `json:"text"`
	}
	telegramBody struct {
		Text    string `json:"text"`
		Preview struct {
			Disabled bool `json:"is_disabled"`
		} `json:"link_preview_options"`
	}
	discordBody struct {
		Content string `json:"content"`
		Embeds  []struct {
			Title       string `json:"title"`
			URL         string `json:"url"`
			Description string `json:"description"`
		} `json:"embeds"`
		Allowed map[string][]string `json:"allowed_mentions"`
	}
	teamsBody struct {
		Type        string `json:"type"`
		Summary     string `json:"summary"`
		Attachments []struct {
			ContentType string  `json:"contentType"`
			ContentURL  *string `json:"contentUrl"`
			Content     struct {
				Schema  string `json:"$schema"`
				Type    string `json:"type"`
				Version string `json:"version"`
				Body    []struct {
					Type    string `json:"type"`
					Inlines []struct {
						Type   string `json:"type"`
						Text   string `json:"text"`
						Size   string `json:"size"`
						Weight string `json:"weight"`
					} `json:"inlines"`
				} `json:"body"`
				Actions []struct {
					Type  string `json:"type"`
					Title string `json:"title"`
					URL   string `json:"url"`
				} `json:"actions"`
			} `json:"content"`
		} `json:"attachments"`
	}
)

func strictly(body string, into any) error {
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if decoder.More() {
		return fmt.Errorf("more than one value")
	}
	return nil
}

// takeApart reads a body as its service does, and measures it against the
// limits that the service publishes.
func takeApart(format event.Format, body string) (shown, error) {
	switch format {
	case event.Slack:
		return takeSlackApart(body)
	case event.Discord:
		return takeDiscordApart(body)
	case event.Teams:
		return takeTeamsApart(body)
	case event.GoogleChat:
		return takeGoogleChatApart(body)
	case event.Telegram:
		return takeTelegramApart(body)
	default:
		headline, facts, links := plain(body)
		return shown{append(facts, headline), links, []size{{"message", len(body), 4096}}}, linesOf(headline, facts)
	}
}

func takeSlackApart(body string) (shown, error) {
	var b slackBody
	if err := strictly(body, &b); err != nil {
		return shown{}, err
	}
	if !b.Markdown || b.LinkNames || b.UnfurlLinks || b.UnfurlMedia {
		return shown{}, fmt.Errorf("names are linked or links unfurled")
	}
	headline, facts, links, err := angled(b.Text)
	if err != nil {
		return shown{}, err
	}
	out := shown{links: links, sizes: []size{{"text", units(b.Text), 4000}}}
	for _, line := range append(facts, headline) {
		text, err := slackText(line)
		if err != nil {
			return shown{}, err
		}
		out.texts = append(out.texts, text)
	}
	return out, linesOf(headline, facts)
}

func takeGoogleChatApart(body string) (shown, error) {
	var b googleChatBody
	if err := strictly(body, &b); err != nil {
		return shown{}, err
	}
	headline, facts, links, err := angled(b.Text)
	if err != nil {
		return shown{}, err
	}
	return shown{append(facts, headline), links, []size{{"text", units(b.Text), 4096}, {"message", len(body), 32000}}}, linesOf(headline, facts)
}

func takeTelegramApart(body string) (shown, error) {
	var b telegramBody
	if err := strictly(body, &b); err != nil {
		return shown{}, err
	}
	if !b.Preview.Disabled {
		return shown{}, fmt.Errorf("link previews are on")
	}
	headline, facts, links := plain(b.Text)
	return shown{append(facts, headline), links, []size{{"text", units(b.Text), 4096}}}, linesOf(headline, facts)
}

func takeDiscordApart(body string) (shown, error) {
	var b discordBody
	if err := strictly(body, &b); err != nil {
		return shown{}, err
	}
	if parse, ok := b.Allowed["parse"]; len(b.Allowed) != 1 || !ok || parse == nil || len(parse) > 0 {
		return shown{}, fmt.Errorf("mentions are parsed: %v", b.Allowed)
	}
	headline, err := bold(b.Content, "**")
	if err != nil {
		return shown{}, err
	}
	escaped, facts := []string{headline}, []string(nil)
	out := shown{sizes: []size{{"content", units(b.Content), 2000}, {"embeds", len(b.Embeds), 1}}}
	for _, embed := range b.Embeds {
		if embed.Title != "Open the dashboard" && embed.Title != "Details" {
			return shown{}, fmt.Errorf("an embed called %q", embed.Title)
		}
		if embed.Description != "" {
			facts = strings.Split(embed.Description, "\n")
		}
		if embed.URL != "" {
			out.links = append(out.links, embed.URL)
		}
		out.sizes = append(out.sizes, size{"title", units(embed.Title), 256}, size{"description", units(embed.Description), 4096},
			size{"embed", units(embed.Title) + units(embed.Description), 6000}, size{"link", len(embed.URL), 2048})
	}
	for _, line := range append(escaped, facts...) {
		text, err := discordText(line)
		if err != nil {
			return shown{}, err
		}
		out.texts = append(out.texts, text)
	}
	return out, linesOf(headline, facts)
}

func takeTeamsApart(body string) (shown, error) {
	var b teamsBody
	if err := strictly(body, &b); err != nil {
		return shown{}, err
	}
	if b.Type != "message" || len(b.Attachments) != 1 || b.Attachments[0].ContentType != "application/vnd.microsoft.card.adaptive" ||
		b.Attachments[0].Content.Type != "AdaptiveCard" || b.Attachments[0].Content.Version != "1.4" {
		return shown{}, fmt.Errorf("it is no message with one card")
	}
	// Teams counts some messages in UTF-16, where each character is two bytes.
	out := shown{texts: []string{b.Summary}, sizes: []size{{"message", 2 * units(body), 28000}, {"message", len(body), 28000}}}
	var lines []string
	for _, block := range b.Attachments[0].Content.Body {
		line := ""
		for _, run := range block.Inlines {
			if block.Type != "RichTextBlock" || run.Type != "TextRun" {
				return shown{}, fmt.Errorf("text in a %s, where Markdown may be read", block.Type)
			}
			if strings.Contains(run.Text, "\n") {
				return shown{}, fmt.Errorf("a line break in %q", run.Text)
			}
			line += run.Text
		}
		lines = append(lines, line)
	}
	for _, action := range b.Attachments[0].Content.Actions {
		if action.Type != "Action.OpenUrl" || action.Title != "Open the dashboard" {
			return shown{}, fmt.Errorf("an action %s called %q", action.Type, action.Title)
		}
		out.links = append(out.links, action.URL)
	}
	if len(lines) == 0 || lines[0] != b.Summary {
		return shown{}, fmt.Errorf("the summary is not the headline")
	}
	out.texts = append(out.texts, lines[1:]...)
	return out, linesOf(lines[0], lines[1:])
}
