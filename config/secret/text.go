package secret

import (
	"crypto/subtle"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// placeholder is what stands for a secret wherever something prints one.
const placeholder = "<secret>"

// Text is a secret text. The zero value is the empty text, which prints as
// empty, so that "not set" can be told from "set".
//
// The content is behind a pointer because fmt prints unexported fields of an
// enclosing struct without asking their methods: it shows an address then.
type Text struct{ content *string }

// New hides a text.
func New(text string) Text {
	if text == "" {
		return Text{}
	}
	return Text{content: &text}
}

// Reveal returns the text itself.
func (t Text) Reveal() string {
	if t.content == nil {
		return ""
	}
	return *t.content
}

// Empty reports whether there is no text.
func (t Text) Empty() bool { return t.content == nil }

// Equal compares two texts in a time that does not depend on where they differ.
func (t Text) Equal(other Text) bool {
	return subtle.ConstantTimeCompare([]byte(t.Reveal()), []byte(other.Reveal())) == 1
}

// String returns "<secret>", or nothing for the empty text.
func (t Text) String() string {
	if t.Empty() {
		return ""
	}
	return placeholder
}

// GoString is String: %#v shows no more than %v.
func (t Text) GoString() string { return t.String() }

// Format prints String for every verb and flag.
func (t Text) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, t.String()) }

// MarshalText returns String; JSON uses it too.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText hides the text it is given.
func (t *Text) UnmarshalText(text []byte) error {
	*t = New(string(text))
	return nil
}

// LogValue is String for log/slog.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// errNotRevealed tells a programmer what to write instead.
var errNotRevealed = errors.New("store a secret: seal or reveal it first")

// Value refuses: a driver would otherwise store the placeholder in place of
// the secret.
func (t Text) Value() (driver.Value, error) { return nil, errNotRevealed }
