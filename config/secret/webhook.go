package secret

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of a webhook's secret (deploy/REFERENCE.md section 4; Standard Webhooks 1.0
// recommends 24 to 64 bytes).
const (
	whsecPrefix = "whsec_"

	minKeyBytes       = 24
	maxKeyBytes       = 64
	generatedKeyBytes = 32

	minCharacters = 16
	maxCharacters = 256
)

// ErrUnfit is wrapped by every error about a secret that breaks the rules.
var ErrUnfit = errors.New("secret is not usable")

// Generate makes a webhook's secret of 32 bytes drawn from random, in the form
// "whsec_" and padded standard base64.
func Generate(random io.Reader) (Text, error) {
	key := make([]byte, generatedKeyBytes)
	if _, err := io.ReadFull(random, key); err != nil {
		return Text{}, fmt.Errorf("draw a webhook secret: %w", err)
	}
	return New(whsecPrefix + base64.StdEncoding.EncodeToString(key)), nil
}

// Validate reports why a text cannot be a webhook's secret, or nil. One that
// begins with "whsec_" must be padded standard base64 of 24 to 64 bytes after
// it; any other is 16 to 256 printable characters. The errors wrap ErrUnfit and
// never quote the text.
func Validate(t Text) error {
	text := t.Reveal()
	switch {
	case strings.HasPrefix(text, whsecPrefix):
		_, err := decodeWhsec(text)
		return err
	case Sealed(text):
		return fmt.Errorf(`%w: it begins with "enc1:", which marks encrypted secrets; choose another`, ErrUnfit)
	case !utf8.ValidString(text):
		return fmt.Errorf("%w: it is not valid UTF-8", ErrUnfit)
	}
	if n := utf8.RuneCountInString(text); n < minCharacters || n > maxCharacters {
		return fmt.Errorf("%w: it has %d characters, want %d to %d", ErrUnfit, n, minCharacters, maxCharacters)
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("%w: it holds a character that is not printable", ErrUnfit)
		}
	}
	return nil
}

// Key returns the bytes that sign under Standard Webhooks: what follows
// "whsec_", decoded, or else the UTF-8 bytes of the text. It fails only for a
// "whsec_" text that does not decode.
//
// X-Webhook-Signature is keyed with the text itself, so with Reveal.
func (t Text) Key() ([]byte, error) {
	if text := t.Reveal(); strings.HasPrefix(text, whsecPrefix) {
		return decodeWhsec(text)
	}
	return []byte(t.Reveal()), nil
}

// Whsec returns the secret in the form that Standard Webhooks libraries take:
// itself where it is in that form already, else "whsec_" and the base64 of its
// bytes. It shows the secret: print it only to the person it belongs to.
func (t Text) Whsec() string {
	if text := t.Reveal(); !strings.HasPrefix(text, whsecPrefix) {
		return whsecPrefix + base64.StdEncoding.EncodeToString([]byte(text))
	}
	return t.Reveal()
}

func decodeWhsec(text string) ([]byte, error) {
	encoded := strings.TrimPrefix(text, whsecPrefix)
	// Go's decoder skips line breaks; receivers' decoders need not.
	if strings.ContainsAny(encoded, "\r\n") {
		return nil, fmt.Errorf("%w: it holds a line break", ErrUnfit)
	}
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf(`%w: what follows "whsec_" is not padded standard base64`, ErrUnfit)
	}
	if len(key) < minKeyBytes || len(key) > maxKeyBytes {
		return nil, fmt.Errorf(`%w: what follows "whsec_" is base64 of %d bytes, want %d to %d`, ErrUnfit, len(key), minKeyBytes, maxKeyBytes)
	}
	return key, nil
}
