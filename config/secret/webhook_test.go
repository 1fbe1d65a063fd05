package secret_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"plausible-webhooks/config/secret"
)

func whsec(n int) string {
	return "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, n))
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name, text string
		ok         bool
	}{
		{"24 bytes", whsec(24), true},
		{"25 bytes, padded", whsec(25), true},
		{"64 bytes", whsec(64), true},
		{"23 bytes", whsec(23), false},
		{"65 bytes", whsec(65), false},
		{"nothing after the prefix", "whsec_", false},
		{"padding missing", strings.TrimRight(whsec(25), "="), false},
		{"URL-safe base64", strings.ReplaceAll(whsec(24), "+", "-"), false},
		{"line break within", whsec(24)[:20] + "\n" + whsec(24)[20:], false},
		{"line break after", whsec(24) + "\n", false},
		{"stray bits in the last character", whsec(25)[:len(whsec(25))-3] + "x==", false},
		{"not base64 though long enough", "whsec_this is not base64 at all", false},
		{"upper-case prefix is any other secret", "WHSEC_0123456789", true},
		{"16 characters", strings.Repeat("a", 16), true},
		{"15 characters", strings.Repeat("a", 15), false},
		{"256 characters", strings.Repeat("a", 256), true},
		{"257 characters", strings.Repeat("a", 257), false},
		{"16 characters of two bytes", strings.Repeat("é", 16), true},
		{"15 characters of two bytes", strings.Repeat("é", 15), false},
		{"256 characters of four bytes", strings.Repeat("😀", 256), true},
		{"space within", "correct horse battery", true},
		{"tab", "correct\thorse battery", false},
		{"line break", "correct horse battery\n", false},
		{"NUL", "correct horse\x00battery", false},
		{"invalid UTF-8", strings.Repeat("a", 16) + "\xff", false},
		{"looks encrypted", "enc1:" + strings.Repeat("a", 32), false},
		{"empty", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := secret.Validate(secret.New(tt.text))
			if (err == nil) != tt.ok || (err != nil && !errors.Is(err, secret.ErrUnfit)) {
				t.Errorf("got %v, want ok=%v", err, tt.ok)
			}
			if err != nil && len(tt.text) > 8 && strings.Contains(err.Error(), tt.text) {
				t.Errorf("%v quotes the secret", err)
			}
		})
	}
}

func TestGenerate(t *testing.T) {
	got, err := secret.Generate(bytes.NewReader(bytes.Repeat([]byte{1}, 64)))
	if err != nil {
		t.Fatal(err)
	}
	if want := "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32)); got.Reveal() != want {
		t.Errorf("got %s, want %s", got.Reveal(), want)
	}
	if err := secret.Validate(got); err != nil {
		t.Errorf("generated secret: %v", err)
	}
	if _, err := secret.Generate(bytes.NewReader(make([]byte, 31))); err == nil {
		t.Error("a short source of randomness made a secret")
	}
}

func TestKeyAndWhsecAgreeWithTheStandardLibrary(t *testing.T) {
	for _, text := range []string{whsec(24), whsec(33), "correct horse battery", strings.Repeat("é", 20)} {
		s := secret.New(text)
		key, err := s.Key()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(text, "whsec_") && string(key) != text {
			t.Errorf("key of %q: got %q, want its own bytes", text, key)
		}
		// Their constructor takes what we show to people; both must sign alike.
		shown, err := standardwebhooks.NewWebhook(s.Whsec())
		if err != nil {
			t.Fatalf("%s: %v", s.Whsec(), err)
		}
		raw, err := standardwebhooks.NewWebhookRaw(key)
		if err != nil {
			t.Fatal(err)
		}
		a, errA := shown.Sign("id", fixedTime, []byte("{}"))
		b, errB := raw.Sign("id", fixedTime, []byte("{}"))
		if errA != nil || errB != nil || a != b {
			t.Errorf("%q: got %s and %s (%v, %v), want the same", text, a, b, errA, errB)
		}
	}
	if _, err := secret.New("whsec_nonsense").Key(); !errors.Is(err, secret.ErrUnfit) {
		t.Errorf("got %v, want ErrUnfit", err)
	}
}
