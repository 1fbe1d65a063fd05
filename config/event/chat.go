package event

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// What each service accepts, as published. Ours stay below: a message that is
// refused for its size would be retried in vain.
const (
	slackRunes      = 4000  // Recommended at most; Slack cuts after 40,000.
	discordContent  = 2000  // Webhook content, characters.
	discordBody     = 4096  // Embed description, characters.
	teamsBytes      = 28000 // Message with its card, "approximately 28 KB", counted in UTF-16 by some of its doors.
	googleChatUnits = 4096  // Text; a whole message may have 32,000 bytes, so twice as many in JSON.
	telegramUnits   = 4096  // sendMessage text, counted in UTF-16 code units.
	ntfyBytes       = 4096  // Longer bodies turn into an attachment.
)

// linkBytes is the longest dashboard address that a chat message carries;
// Discord refuses a whole message for an address of more than 2,048
// characters. A domain would need a hundred letters outside ASCII for that.
const linkBytes = 2000

const linkText = "Open the dashboard"

// lines puts a message together from escaped parts, headline first and link
// last, and drops facts from the end where they would exceed the limit; the
// link goes before the headline is cut.
func lines(headline string, facts []string, link string, limit int, size func(string) int) string {
	join := func(facts []string, link string) string {
		all := append([]string{headline}, facts...)
		if link != "" {
			all = append(all, link)
		}
		return strings.Join(all, "\n")
	}
	for n := len(facts); n >= 0; n-- {
		if text := join(facts[:n], link); size(text) <= limit {
			return text
		}
	}
	return join(nil, "")
}

func escaped(facts []fact, escape func(string) string) []string {
	all := make([]string, len(facts))
	for i, f := range facts {
		all[i] = escape(f.label) + ": " + escape(f.value)
	}
	return all
}

func utf16Units(s string) int { return len(utf16.Encode([]rune(s))) }

func bytesOf(s string) int { return len(s) }

// slack is an incoming webhook's body. It is text without blocks, because
// what else reads this format (Mattermost, Rocket.Chat) shows the text only.
func slack(m message) (string, error) {
	return encode(struct {
		Text        string `json:"text"`
		Markdown    bool   `json:"mrkdwn"`
		LinkNames   bool   `json:"link_names"`
		UnfurlLinks bool   `json:"unfurl_links"`
		UnfurlMedia bool   `json:"unfurl_media"`
	}{
		Text: lines("*"+escapeSlack(m.headline)+"*", escaped(m.facts, escapeSlack),
			angleLink(strings.ReplaceAll(m.link, "&", "&amp;")), slackRunes, utf8.RuneCountInString),
		Markdown: true,
	})
}

func angleLink(address string) string {
	if address == "" {
		return ""
	}
	return "<" + linkAddress.Replace(address) + "|" + linkText + ">"
}

func googleChat(m message) (string, error) {
	return encode(struct {
		Text string `json:"text"`
	}{
		lines("*"+escapeGoogleChat(m.headline)+"*", escaped(m.facts, escapeGoogleChat), angleLink(m.link), googleChatUnits, utf16Units),
	})
}

type discordEmbed struct {
	Title       string `json:"title"`
	URL         string `json:"url,omitempty"`
	Description string `json:"description,omitempty"`
}

// discord puts the headline into content, for only that shows in a push
// notification, and the rest into an embed. No mention is ever parsed.
func discord(m message) (string, error) {
	type mentions struct {
		Parse []string `json:"parse"`
	}
	body := struct {
		Content  string         `json:"content"`
		Embeds   []discordEmbed `json:"embeds"`
		Mentions mentions       `json:"allowed_mentions"`
	}{
		Content:  lines("**"+escapeDiscord(m.headline)+"**", nil, "", discordContent, utf16Units),
		Embeds:   []discordEmbed{},
		Mentions: mentions{Parse: []string{}},
	}
	facts := escaped(m.facts, escapeDiscord)
	switch {
	case m.link != "":
		body.Embeds = append(body.Embeds, discordEmbed{Title: linkText, URL: m.link})
	case len(facts) > 0:
		body.Embeds = append(body.Embeds, discordEmbed{Title: "Details"})
	}
	if len(facts) > 0 {
		body.Embeds[0].Description = lines(facts[0], facts[1:], "", discordBody, utf16Units)
	}
	return encode(body)
}

// telegram is a body of sendMessage; the chat's id stands in the URL's query.
// Without parse_mode the text is plain, so nothing in it needs an escape.
func telegram(m message) (string, error) {
	type preview struct {
		Disabled bool `json:"is_disabled"`
	}
	return encode(struct {
		Text    string  `json:"text"`
		Preview preview `json:"link_preview_options"`
	}{
		lines(disarmTelegram(m.headline), escaped(m.facts, disarmTelegram), m.link, telegramUnits, utf16Units),
		preview{Disabled: true},
	})
}
