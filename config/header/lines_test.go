package header_test

import (
	"strings"
	"testing"

	"plausible-webhooks/config/header"
)

func TestParseLines(t *testing.T) {
	headers, err := header.ParseLines("Authorization: Bearer a:b c\r\n\r\nX-Key:\tv \n  \nX-Empty:\nHost: example.com")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range headers {
		got = append(got, h.Name+"="+h.Value.Reveal())
	}
	// That Host is refused and a value empty is told by Check.
	if want := "Authorization=Bearer a:b c|X-Key=v|X-Empty=|Host=example.com"; strings.Join(got, "|") != want {
		t.Errorf("got %s, want %s", strings.Join(got, "|"), want)
	}
	if headers, err := header.ParseLines("\n\r\n"); err != nil || len(headers) != 0 {
		t.Errorf("empty lines: got %v, %v", headers, err)
	}
}

var oddLines = []string{
	"Bearer " + hidden, ": " + hidden, hidden + " x: y", "X-Key " + hidden + ": y", "X-Key : " + hidden, " folded " + hidden, "\t: " + hidden, "Ü: " + hidden,
}

func TestOddLinesAreNamedByNumber(t *testing.T) {
	for _, line := range oddLines {
		_, err := header.ParseLines("X-Key: v\n\n" + line + "\n")
		if err == nil || !strings.Contains(err.Error(), "line 3 ") || strings.Contains(err.Error(), hidden) {
			t.Errorf("%q: got %v, want an error that names line 3 and shows nothing of it", line, err)
		}
	}
}

func FuzzParseLines(f *testing.F) {
	for _, line := range oddLines {
		f.Add(line)
	}
	f.Add("Authorization: Bearer abc\r\nX-Key: v\n")
	f.Fuzz(func(t *testing.T, text string) {
		headers, err := header.ParseLines(text)
		if err != nil {
			if headers != nil {
				t.Errorf("%q: got headers with the error %v", text, err)
			}
			return
		}
		var again strings.Builder
		for _, h := range headers {
			if strings.ContainsAny(h.Name+h.Value.Reveal(), "\n") {
				t.Errorf("%q: %q holds a line break", text, h.Name)
			}
			again.WriteString(h.Name + ": " + h.Value.Reveal() + "\n")
		}
		second, err := header.ParseLines(again.String())
		if err != nil || len(second) != len(headers) {
			t.Errorf("%q reads back as %d headers, %v; want %d", again.String(), len(second), err, len(headers))
		}
	})
}
