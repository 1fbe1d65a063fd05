package event

import (
	"strings"
	"unicode"
)

// zeroWidth separates without being seen.
const zeroWidth = "\u200b"

// disarm breaks what chat clients of every kind find in plain text and act
// upon: mentions, addresses with and without a scheme, and Markdown links. A
// site's visitors choose source and page names (utm_source, Referer, the
// path), so an alert would otherwise carry a stranger's link into a team's
// channel. The text looks the same to a reader.
func disarm(s string) string {
	runes := []rune(s)
	var b strings.Builder
	for i, r := range runes {
		b.WriteRune(r)
		if i+1 == len(runes) {
			break
		}
		next := runes[i+1]
		word := unicode.IsLetter(next) || unicode.IsDigit(next) || next == '_' || next > unicode.MaxASCII && !unicode.IsSpace(next)
		switch {
		case (r == '@' || r == '＠') && !unicode.IsSpace(next),
			dot(r) && word,
			r == ':' && next == '/',
			r == ']' && (next == '(' || next == '[' || next == ':'):
			b.WriteString(zeroWidth)
		}
	}
	return b.String()
}

// dot reports the full stops that take part in host names: those of East Asian
// scripts too, which browsers read as one (UTS #46).
func dot(r rune) bool { return r == '.' || r == '。' || r == '．' || r == '｡' }

// disarmTelegram also breaks commands, hashtags and cashtags, which Telegram
// makes clickable although no parse mode is set.
func disarmTelegram(s string) string {
	runes := []rune(disarm(s))
	var b strings.Builder
	for i, r := range runes {
		b.WriteRune(r)
		if (r == '/' || r == '#' || r == '$') && i+1 < len(runes) && !unicode.IsSpace(runes[i+1]) {
			b.WriteString(zeroWidth)
		}
	}
	return b.String()
}

// lookalike replaces the characters that Slack and Google Chat format with by
// ones that look the same: neither service has an escape for them. Some of
// those are letters to Unicode, so that disarm has to come after.
var lookalike = strings.NewReplacer("*", "∗", "~", "∼", "`", "ˋ")

// plainUnderscores replaces underscores at the edge of a word, where they
// would make text italic; inside a word, as in many paths, they are literal.
func plainUnderscores(s string) string {
	runes := []rune(s)
	inWord := func(i int) bool {
		return i >= 0 && i < len(runes) && (unicode.IsLetter(runes[i]) || unicode.IsDigit(runes[i]))
	}
	for i, r := range runes {
		if r == '_' && (!inWord(i-1) || !inWord(i+1)) {
			runes[i] = 'ˍ'
		}
	}
	return string(runes)
}

var slackEntities = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// escapeSlack follows Slack's rule that exactly &, < and > are escaped; that
// also takes <!channel>, <@user> and <url|text> their meaning.
func escapeSlack(s string) string {
	return slackEntities.Replace(disarm(plainUnderscores(lookalike.Replace(s))))
}

// Google Chat decodes no entities, so angle brackets, which make <url|text>
// and <users/all>, are replaced.
var angles = strings.NewReplacer("<", "‹", ">", "›")

func escapeGoogleChat(s string) string {
	return angles.Replace(disarm(plainUnderscores(lookalike.Replace(s))))
}

// Discord takes a backslash before any ASCII punctuation. Parentheses act after
// a bracket only, and notifications of some clients show the backslashes, so
// that they are left alone.
var discordPunctuation = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "~", `\~`, "|", `\|`,
	"<", `\<`, ">", `\>`, "[", `\[`, "]", `\]`, "#", `\#`,
)

func escapeDiscord(s string) string { return discordPunctuation.Replace(disarm(s)) }

// linkAddress makes an address safe between the angle brackets of Slack and
// Google Chat: it comes from BASE_URL, which nobody promises to be free of
// characters that end the link.
var linkAddress = strings.NewReplacer("<", "%3C", ">", "%3E", "|", "%7C", " ", "%20", "\n", "", "\r", "")
