package event

import (
	"fmt"
	"slices"
)

// Format names the shape of a request's body: webhooks.format.
type Format string

// The formats of deploy/REFERENCE.md section 3.
const (
	Standard   Format = "standard"
	Slack      Format = "slack"
	Discord    Format = "discord"
	Teams      Format = "teams"
	GoogleChat Format = "googlechat"
	Telegram   Format = "telegram"
	Ntfy       Format = "ntfy"
)

// Formats returns every format, the default one first.
func Formats() []Format {
	return []Format{Standard, Slack, Discord, Teams, GoogleChat, Telegram, Ntfy}
}

// ParseFormat reads a format as users write it, exactly. The error lists what
// is allowed.
func ParseFormat(s string) (Format, error) {
	if f := Format(s); slices.Contains(Formats(), f) {
		return f, nil
	}
	return "", fmt.Errorf("unknown format %q: use one of %s", s, list(Formats()))
}

// ContentType is the Content-Type header of a body in this format (deploy/REFERENCE.md
// section 4).
func (f Format) ContentType() string {
	if f == Ntfy {
		return "text/plain; charset=utf-8"
	}
	return "application/json"
}

// Signed reports whether requests in this format are signed, and therefore
// whether a webhook of this format needs a secret. Chat services check no
// signature.
func (f Format) Signed() bool { return f == Standard }
