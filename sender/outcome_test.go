package sender

import (
	"strings"
	"testing"
)

func TestClean(t *testing.T) {
	for raw, want := range map[string]string{
		"":                       "",
		"ok":                     "ok",
		"line\r\nline\ttab":      "line  line tab",
		"a\x00b\x1b[31m":         "a\uFFFDb\uFFFD[31m",
		"\xff\xfe":               "\uFFFD\uFFFD",
		"Grüße\u2028\u202ex":     "Grüße\uFFFD\uFFFDx",
		"\u0085":                 "\uFFFD",
		strings.Repeat("a", 20):  strings.Repeat("a", 16),
		"aaaaaaaaaaaaaaaü":       "aaaaaaaaaaaaaaa", // Cut in its middle.
		"aaaaaaaaaaaaaa\x00\x00": "aaaaaaaaaaaaaa",  // The replacement is longer than what it replaces.
	} {
		if got := clean([]byte(raw), 16); got != want {
			t.Errorf("%q: got %q, want %q", raw, got, want)
		}
	}
}
