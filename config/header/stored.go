package header

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"plausible-webhooks/config/secret"

	"golang.org/x/net/http/httpguts"
)

// Where headers are stored; both names bind a ciphertext to its place.
const (
	table  = "webhooks"
	column = "headers"
)

// Stored is the column webhooks.headers of one webhook. Values are sealed or,
// where others wrote them, plain; SQL may also have put something else there
// than texts.
type Stored struct {
	webhook int64
	members map[string]json.RawMessage
}

// Read reads the column's text. It fails only for what is no JSON object,
// which the table refuses.
func Read(webhook int64, text string) (Stored, error) {
	s := Stored{webhook: webhook}
	if err := json.Unmarshal([]byte(text), &s.members); err != nil {
		// The error of encoding/json quotes what it has met.
		return Stored{}, fmt.Errorf("read the headers of webhook %d: %w", webhook, errors.New("they are no JSON object"))
	}
	return s, nil
}

// JSON is the column's text.
func (s Stored) JSON() string {
	if len(s.members) == 0 {
		return "{}"
	}
	text, err := json.Marshal(s.members)
	if err != nil {
		panic(err) // Names and values came from JSON.
	}
	return string(text)
}

// Names returns the names of all headers, sorted.
func (s Stored) Names() []string { return slices.Sorted(maps.Keys(s.members)) }

// UnreadableError means that a header's value is sealed and cannot be opened.
// It wraps secret.ErrKeyMissing or secret.ErrDamaged.
type UnreadableError struct {
	Webhook int64
	Name    string
	cause   error
}

func (e *UnreadableError) Error() string {
	again := fmt.Sprintf("give the header again with `plausible-webhooks webhook update %d --header-file FILE`", e.Webhook)
	var missing *secret.KeyMissingError
	if errors.As(e.cause, &missing) {
		return fmt.Sprintf("header %s is encrypted with key %s, which is not set: set WEBHOOKS_SECRET_KEY or SECRET_KEY_BASE to what it was when the header was stored, or %s",
			shown(e.Name), missing.KeyID, again)
	}
	return fmt.Sprintf("the value of header %s is damaged or belongs to another webhook or header: %s", shown(e.Name), again)
}

func (e *UnreadableError) Unwrap() error { return e.cause }

// shown is a name as errors show it: not at all where it cannot be one.
func shown(name string) string {
	if !httpguts.ValidHeaderFieldName(name) {
		return "without a valid name"
	}
	return name
}

// Open decrypts one header. The errors are an *UnreadableError, and another one
// where the value is not a text.
func (s Stored) Open(keys secret.Keyring, name string) (Header, error) {
	text, ok := s.text(name)
	if !ok {
		return Header{}, fmt.Errorf("the value of header %s is not a text", shown(name))
	}
	value, err := keys.OpenMember(text, table, column, s.webhook, strings.ToLower(name))
	if err != nil {
		return Header{}, &UnreadableError{s.webhook, name, err}
	}
	return Header{name, value}, nil
}

// OpenAll decrypts all headers, in order of their names. The error is that of
// the first one that Open fails for, unreadable ones before others.
func (s Stored) OpenAll(keys secret.Keyring) ([]Header, error) {
	var headers []Header
	var odd error
	for _, name := range s.Names() {
		h, err := s.Open(keys, name)
		if unreadable := new(UnreadableError); errors.As(err, &unreadable) {
			return nil, err
		}
		if err != nil && odd == nil {
			odd = err
		}
		headers = append(headers, h)
	}
	if odd != nil {
		return nil, odd
	}
	return headers, nil
}

// SealPlain returns the headers with every plain value sealed, and whether
// there was any. What is no text stays as it is, and so does everything where
// there is no key.
func (s Stored) SealPlain(keys secret.Keyring) (Stored, bool, error) {
	sealed := Stored{s.webhook, maps.Clone(s.members)}
	changed := false
	for name := range s.members {
		text, ok := s.text(name)
		if !ok || text == "" || keys.Empty() || secret.Sealed(text) {
			continue
		}
		if err := sealed.put(keys, Header{name, secret.New(text)}); err != nil {
			return Stored{}, false, err
		}
		changed = true
	}
	return sealed, changed, nil
}

// With returns the headers with others added, sealed where there is a key. One
// of the same name is replaced, whatever its case.
func (s Stored) With(keys secret.Keyring, headers []Header) (Stored, error) {
	next := Stored{s.webhook, maps.Clone(s.members)}
	for _, h := range headers {
		next, _ = next.Without(h.Name)
		if err := next.put(keys, h); err != nil {
			return Stored{}, err
		}
	}
	return next, nil
}

// Without returns the headers without those of a name, whatever its case, and
// whether there was any.
func (s Stored) Without(name string) (Stored, bool) {
	next := Stored{s.webhook, maps.Clone(s.members)}
	maps.DeleteFunc(next.members, func(other string, _ json.RawMessage) bool { return strings.EqualFold(name, other) })
	return next, len(next.members) < len(s.members)
}

func (s *Stored) put(keys secret.Keyring, h Header) error {
	text, err := keys.SealMember(h.Value, table, column, s.webhook, strings.ToLower(h.Name))
	if err != nil {
		return err
	}
	value, err := json.Marshal(text)
	if err != nil {
		return fmt.Errorf("write a header of webhook %d: %w", s.webhook, err)
	}
	if s.members == nil {
		s.members = make(map[string]json.RawMessage)
	}
	s.members[h.Name] = value
	return nil
}

// text is a stored value; false where it is something else than a text.
func (s Stored) text(name string) (text string, ok bool) {
	value := s.members[name]
	if len(value) == 0 || value[0] != '"' {
		return "", false
	}
	return text, json.Unmarshal(value, &text) == nil
}
