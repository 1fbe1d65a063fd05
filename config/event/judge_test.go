package event_test

import (
	"fmt"
	"html"
	"mime"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/event/eventtest"
)

// problemsOf judges a body as its service would, without a look at how it was
// made.
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
	shown, err := takeApart(format, body)
	if err != nil {
		return append(found, err.Error())
	}
	for _, text := range shown.texts {
		found = append(found, alive(text)...)
		if what := actsOn[format]; what != nil && what.MatchString(text) {
			found = append(found, fmt.Sprintf("%q acts", what.FindString(text)))
		}
	}
	for _, link := range shown.links {
		if !strings.HasPrefix(link, base+"/") || strings.ContainsAny(link, "<>|\" \n") {
			found = append(found, fmt.Sprintf("a link to %q", link))
		}
	}
	for _, size := range shown.sizes {
		if size.got > size.limit {
			found = append(found, fmt.Sprintf("%s of %d, more than %d", size.of, size.got, size.limit))
		}
	}
	return found
}

// What clients of every kind make something of, in text as it is shown. The
// zero-width space is what we put in between.
var (
	mention  = regexp.MustCompile(`[@＠][^\s\x{200b}]`)
	address  = regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*:/`)
	host     = regexp.MustCompile(`[^\s\x{200b}][.。．｡][\p{L}\p{N}\p{M}]`)
	markdown = regexp.MustCompile(`\][(\[:]`)
)

// labels begin the lines below a headline: a name cannot begin one.
var labels = regexp.MustCompile(`^(Top sources|Top pages|Going on since|Now|Peak|Began|By|When|Receiver|Failing since|Last attempt|What to do|An event of type [a-z.\x{200b}]+ looks like this): .`)

// alive says what in a text would act upon its readers or deceive them.
func alive(text string) []string {
	var found []string
	for _, what := range []*regexp.Regexp{mention, address, host, markdown} {
		if hit := what.FindString(text); hit != "" {
			found = append(found, fmt.Sprintf("%q is alive", hit))
		}
	}
	runes := []rune(text)
	foreign := func(i int) bool { return i >= 0 && i < len(runes) && runes[i] > unicode.MaxASCII }
	for i, r := range runes {
		switch {
		case r == '\n', r == '\u200b':
		case (r == '\u200c' || r == '\u200d') && foreign(i-1) && foreign(i+1):
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Cs, unicode.Co, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point):
			found = append(found, fmt.Sprintf("the character %U", r))
		}
	}
	return found
}

// linesOf checks that nobody else made a line of a message.
func linesOf(headline string, facts []string) error {
	if headline == "" {
		return fmt.Errorf("there is no headline")
	}
	for _, line := range facts {
		if !labels.MatchString(line) {
			return fmt.Errorf("a line that begins with no label of ours: %q", line)
		}
	}
	return nil
}

// actsOn is what only one of the services acts on, in text as it reads it.
var actsOn = map[event.Format]*regexp.Regexp{
	// What formats, where it stands at the edge of a word; entities are taken
	// apart before.
	event.Slack:      regexp.MustCompile("[~`*]|(^|[^\\p{L}\\p{N}])_|_([^\\p{L}\\p{N}]|$)"),
	event.GoogleChat: regexp.MustCompile("[~`*<>]|(^|[^\\p{L}\\p{N}])_|_([^\\p{L}\\p{N}]|$)"),
	event.Telegram:   regexp.MustCompile(`[/#$][^\s\x{200b}]`),
}

// shown is what a service shows of a body.
type shown struct {
	texts []string // As it is read, without the link that we put in.
	links []string
	sizes []size
}

type size struct {
	of         string
	got, limit int
}

func units(s string) int { return len(utf16.Encode([]rune(s))) }

// bold takes the marks off a headline.
func bold(text, mark string) (string, error) {
	inner, begins := strings.CutPrefix(text, mark)
	inner, ends := strings.CutSuffix(inner, mark)
	if !begins || !ends {
		return "", fmt.Errorf("the headline is not bold: %q", text)
	}
	return inner, nil
}

// angled takes a text of Slack or Google Chat apart: bold headline, facts, link.
func angled(text string) (headline string, facts, links []string, err error) {
	lines := strings.Split(text, "\n")
	if last := lines[len(lines)-1]; strings.HasPrefix(last, "<") {
		link, label, _ := strings.Cut(strings.TrimPrefix(last, "<"), "|")
		if label != "Open the dashboard>" {
			return "", nil, nil, fmt.Errorf("a link that is not ours: %q", last)
		}
		lines, links = lines[:len(lines)-1], []string{html.UnescapeString(link)}
	}
	headline, err = bold(lines[0], "*")
	return headline, lines[1:], links, err
}

// plain takes a text without markup apart: headline, facts, link.
func plain(text string) (headline string, facts, links []string) {
	lines := strings.Split(text, "\n")
	if last := lines[len(lines)-1]; strings.HasPrefix(last, "https://") {
		lines, links = lines[:len(lines)-1], []string{last}
	}
	return lines[0], lines[1:], links
}

// entities are all that Slack reads: exactly these three.
var entities = regexp.MustCompile(`&(amp|lt|gt);`)

// slackText is the text that Slack shows.
func slackText(escaped string) (string, error) {
	if strings.ContainsAny(entities.ReplaceAllString(escaped, ""), "<>&") {
		return "", fmt.Errorf("markup or half an entity in %q", escaped)
	}
	return strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">").Replace(escaped), nil
}

// discordText is the text that Discord shows: a backslash makes what follows
// literal, and nothing that formats may stand without one.
func discordText(escaped string) (string, error) {
	var b strings.Builder
	runes := []rune(escaped)
	for i := 0; i < len(runes); i++ {
		switch {
		case runes[i] == '\\' && i+1 == len(runes):
			return "", fmt.Errorf("a backslash at the end of %q", escaped)
		case runes[i] == '\\':
			i++
		case strings.ContainsRune("*_~`|<>[]#", runes[i]):
			return "", fmt.Errorf("%q acts in %q", runes[i], escaped)
		}
		b.WriteRune(runes[i])
	}
	return b.String(), nil
}

// maxHeader is less than any server takes for one header (nginx: 8 KiB).
const maxHeader = 4096

// headerProblems judges the headers that go with a body.
func headerProblems(headers map[string]string) []string {
	var found []string
	for name, value := range headers {
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) || len(value) > maxHeader {
			found = append(found, fmt.Sprintf("header %s cannot be %q", name, value))
		}
		decoded, err := new(mime.WordDecoder).DecodeHeader(value)
		if err != nil || strings.ContainsFunc(decoded, unicode.IsControl) {
			found = append(found, fmt.Sprintf("header %s is decoded as %q, %v", name, decoded, err))
		}
		if name == "Click" && !strings.HasPrefix(value, base+"/") {
			found = append(found, fmt.Sprintf("a tap opens %q", value))
		}
	}
	return found
}
