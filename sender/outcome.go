package sender

import (
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	excerptBytes = 1 << 10 // Of an answer, in the log (deploy/REFERENCE.md section 3).
	errorBytes   = 400     // Of an error text, in the log.
)

// outcome is what came of one attempt.
type outcome struct {
	status     int    // Of the answer; zero: there was none.
	answered   bool   // There was a status line.
	retryAfter string // As in the answer.
	excerpt    string // Of the answer's body, clean.
	problem    string // What went wrong, for people; it never holds a path or a secret.
	duration   time.Duration
	kind       Kind // Of what went wrong without an answer; empty: see kindOf.

	hopeless bool // Trying again is no use: a refused address or a malformed URL.
	cut      bool // Our own end cut it off.
}

// succeeded reports a 2xx: the status line decides.
func (o outcome) succeeded() bool { return o.answered && o.status >= 200 && o.status <= 299 }

// describe names a failed answer for people.
func describe(status int) string {
	text := http.StatusText(status)
	switch {
	case status >= 300 && status <= 399:
		return strings.TrimSpace(fmt.Sprintf("answered %d %s", status, text)) + ": redirects are not followed, the webhook needs the final URL"
	case text == "":
		return fmt.Sprintf("answered %d", status)
	default:
		return fmt.Sprintf("answered %d %s", status, text)
	}
}

// clean makes a text of what a receiver sent: valid UTF-8 without control
// characters, of at most limit bytes. PostgreSQL's text refuses NUL, and a
// terminal that shows the log must not obey a stranger.
func clean(raw []byte, limit int) string {
	raw = raw[:min(len(raw), limit)]
	if len(raw) == limit {
		raw = withoutPartialRune(raw)
	}
	var b strings.Builder
	for _, r := range string(raw) {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			r = ' '
		case unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r):
			r = utf8.RuneError
		}
		if b.Len()+utf8.RuneLen(r) > limit {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// withoutPartialRune drops a character that the limit cut in two, which would
// otherwise be shown as broken although the receiver sent it whole.
func withoutPartialRune(raw []byte) []byte {
	for back := 1; back < utf8.UTFMax && back <= len(raw); back++ {
		if start := len(raw) - back; utf8.RuneStart(raw[start]) {
			if !utf8.FullRune(raw[start:]) {
				return raw[:start]
			}
			break
		}
	}
	return raw
}
