package event

import (
	"mime"
	"net/url"
	"strings"
)

// ntfy is the message of a request to a topic's URL: plain text. Headers has
// the rest.
func ntfy(m message) string {
	return lines(disarm(m.headline), escaped(m.facts, disarm), m.link, ntfyBytes, bytesOf)
}

// The headers of ntfy that we send.
const (
	ntfyTitle = "Title" // Shown in bold above the message.
	ntfyClick = "Click" // Opened by a tap on the notification.
)

// OfNtfy reports whether a name, in any case, is that of a header that Headers
// may return.
func OfNtfy(name string) bool {
	return strings.EqualFold(name, ntfyTitle) || strings.EqualFold(name, ntfyClick)
}

// Headers are what a request carries for its format besides Content-Type, read
// from the body, so that it is all that need be stored: ntfy's title, encoded
// as RFC 2047 says where it is not ASCII, and the link that a tap opens. Other
// formats have none; body may be any text.
func Headers(f Format, t Type, body string) map[string]string {
	if f != Ntfy {
		return nil
	}
	headers := make(map[string]string)
	headline, link := ends(body)
	if link != "" {
		headers[ntfyClick] = headerText(link)
	}
	if title := t.title(); title != "" {
		// The headline is the message's first line already.
		if domain := domainOf(link); domain != "" && strings.Contains(headline, disarm(domain)) {
			title += ": " + domain
		}
		headers[ntfyTitle] = headerText(title)
	}
	return headers
}

// title names a type of event to people; empty for a type of somebody else's.
func (t Type) title() string {
	return map[Type]string{
		TrafficSpike:       "Traffic spike",
		TrafficSpikeEnded:  "Traffic spike ended",
		TrafficDrop:        "Traffic drop",
		TrafficDropEnded:   "Traffic drop ended",
		GoalCompleted:      "Goal completed",
		GoalThreshold:      "Goal threshold reached",
		GoalThresholdEnded: "Goal alert ended",
		WebhookDisabled:    "Webhook disabled",
		WebhookTest:        "Test message",
	}[t]
}

// ends returns the first line of a message and its last one, where that is a
// link.
func ends(body string) (headline, link string) {
	headline, rest, _ := strings.Cut(body, "\n")
	last := rest[strings.LastIndexByte(rest, '\n')+1:]
	web := strings.HasPrefix(last, "https://") || strings.HasPrefix(last, "http://")
	if !web || len(last) > linkBytes || strings.ContainsFunc(last, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\uFFFD' }) {
		return headline, ""
	}
	return headline, last
}

// domainOf reads the site's domain from what DashboardURL made, as messages
// show it; empty where it is something else.
func domainOf(link string) string {
	link, _, _ = strings.Cut(link, "?")
	domain, err := url.QueryUnescape(link[strings.LastIndexByte(link, '/')+1:])
	if err != nil || domain == "" {
		return ""
	}
	return name(domain)
}

// headerText writes text for a header. What looks encoded already would be
// decoded by the receiver, hence never goes as it is.
func headerText(text string) string {
	return mime.QEncoding.Encode("utf-8", strings.ReplaceAll(text, "=?", "="+zeroWidth+"?"))
}
