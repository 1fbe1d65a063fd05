package header_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"plausible-webhooks/config/header"
	"plausible-webhooks/config/secret"

	"github.com/google/go-cmp/cmp"
)

func ring(t *testing.T, letter string) secret.Keyring {
	t.Helper()
	keys, err := secret.NewKeyring(secret.New(base64.StdEncoding.EncodeToString([]byte(strings.Repeat(letter, 32)))), secret.Text{})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func read(t *testing.T, webhook int64, text string) header.Stored {
	t.Helper()
	stored, err := header.Read(webhook, text)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func with(t *testing.T, stored header.Stored, keys secret.Keyring, headers ...header.Header) header.Stored {
	t.Helper()
	next, err := stored.With(keys, headers)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// opened are all headers as "name=value".
func opened(t *testing.T, stored header.Stored, keys secret.Keyring) (lines []string) {
	t.Helper()
	headers, err := stored.OpenAll(keys)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		lines = append(lines, h.Name+"="+h.Value.Reveal())
	}
	return lines
}

func TestWhatIsAddedIsSealedAndOpensAgain(t *testing.T) {
	keys := ring(t, "k")
	first := with(t, read(t, 7, "{}"), keys, one("X-Key", `a "quoted" <value>`)...)
	stored := with(t, first, keys, header.Header{Name: "Authorization", Value: secret.New("Bearer " + hidden)}, header.Header{Name: "x-KEY", Value: secret.New("another")})
	if strings.Contains(stored.JSON(), hidden) || strings.Count(stored.JSON(), "enc1:") != 2 {
		t.Errorf("stored %s; want both values sealed", stored.JSON())
	}
	again := read(t, 7, stored.JSON())
	if diff := cmp.Diff([]string{"Authorization", "x-KEY"}, again.Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Authorization=Bearer " + hidden, "x-KEY=another"}, opened(t, again, keys)); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{`X-Key=a "quoted" <value>`}, opened(t, first, keys)); diff != "" {
		t.Errorf("the headers before (-want +got):\n%s", diff)
	}
	without, found := again.Without("X-Key")
	if diff := cmp.Diff([]string{"Authorization"}, without.Names()); diff != "" || !found {
		t.Errorf("without X-Key, found %v (-want +got):\n%s", found, diff)
	}
	if _, found := without.Without("X-Key"); found {
		t.Error("a header that is not there was found")
	}
	if none, _ := without.Without("authorization"); none.JSON() != "{}" {
		t.Errorf("got %s, want {}", none.JSON())
	}
}

func TestPlainValuesAreSealed(t *testing.T) {
	keys := ring(t, "k")
	plain := read(t, 7, `{"X-Key": "T0KEN", "X-Number": 5, "X-Empty": "", "X-List": ["a"]}`)
	if kept, changed, err := plain.SealPlain(secret.Keyring{}); err != nil || changed || kept.JSON() != plain.JSON() {
		t.Errorf("without a key: changed %v, %v; want everything as it is", changed, err)
	}
	sealed, changed, err := plain.SealPlain(keys)
	if err != nil || !changed || strings.Contains(sealed.JSON(), hidden) {
		t.Errorf("sealed %s, %v, %v; want the text sealed", sealed.JSON(), changed, err)
	}
	if h, err := plain.Open(keys, "X-Key"); err != nil || h.Value.Reveal() != hidden {
		t.Errorf("plain: got %q, %v", h.Value.Reveal(), err)
	}
	if h, err := sealed.Open(keys, "X-Key"); err != nil || h.Value.Reveal() != hidden {
		t.Errorf("sealed: got %q, %v", h.Value.Reveal(), err)
	}
	if _, changed, err := sealed.SealPlain(keys); err != nil || changed {
		t.Errorf("again: changed %v, %v; want nothing left to do", changed, err)
	}
	if _, err := sealed.OpenAll(keys); err == nil || !strings.Contains(err.Error(), "the value of header X-List is not a text") {
		t.Errorf("got %v, want an error about X-List", err)
	}
}

func TestCiphertextBelongsToWebhookAndName(t *testing.T) {
	keys := ring(t, "k")
	stored := with(t, read(t, 7, "{}"), keys, append(one("X-Key", "a"), one("X-Other", "b")...)...)
	swapped := strings.NewReplacer("X-Key", "X-Other", "X-Other", "X-Key").Replace(stored.JSON())
	for name, moved := range map[string]header.Stored{"swapped": read(t, 7, swapped), "another webhook's": read(t, 8, stored.JSON())} {
		for _, part := range moved.Names() {
			_, err := moved.Open(keys, part)
			var unreadable *header.UnreadableError
			if !errors.Is(err, secret.ErrDamaged) || !errors.As(err, &unreadable) || unreadable.Name != part || !strings.Contains(err.Error(), "--header-file") {
				t.Errorf("%s: got %v, want it damaged, with the way to mend it", name, err)
			}
		}
	}
	// The case of a name is not part of it.
	if got := opened(t, read(t, 7, strings.ReplaceAll(stored.JSON(), "X-Key", "x-key")), keys); got[1] != "x-key=a" {
		t.Errorf("in lower case: got %v", got)
	}
}

func TestUnreadableHeaders(t *testing.T) {
	stored := with(t, read(t, 7, `{"X-Number": 5}`), ring(t, "a"), one("X-Secret", "v")...)
	_, err := stored.OpenAll(ring(t, "b"))
	if !errors.Is(err, secret.ErrKeyMissing) {
		t.Fatalf("got %v, want ErrKeyMissing before what is wrong besides", err)
	}
	for _, want := range []string{"X-Secret", ring(t, "a").KeyID(), "WEBHOOKS_SECRET_KEY", "webhook update 7 --header-file"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not mention %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "rotate-secret") {
		t.Errorf("%q names a remedy of secrets", err)
	}
	odd := read(t, 7, `{"X: T0KEN": "enc1:x"}`)
	if _, err := odd.OpenAll(ring(t, "a")); err == nil || strings.Contains(err.Error(), hidden) {
		t.Errorf("got %v, want an error that does not show what is no name", err)
	}
}

func TestReadRefusesWhatIsNoObject(t *testing.T) {
	for _, text := range []string{"", `["T0KEN"]`, `"T0KEN"`, "{T0KEN"} {
		if _, err := header.Read(7, text); err == nil || strings.Contains(err.Error(), hidden) {
			t.Errorf("%s: got %v, want an error that does not quote it", text, err)
		}
	}
}
