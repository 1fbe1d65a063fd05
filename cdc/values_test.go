package cdc

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestTimesInPostgresTextFormat(t *testing.T) {
	for text, want := range map[string]time.Time{
		"":                              {},
		"-infinity":                     {},
		"infinity":                      latest,
		"2026-11-23 19:10:05":           time.Date(2026, 11, 23, 19, 10, 5, 0, time.UTC),
		"2026-11-23 19:10:05.25":        time.Date(2026, 11, 23, 19, 10, 5, 250_000_000, time.UTC),
		"2026-11-23 19:10:05.123456+00": time.Date(2026, 11, 23, 19, 10, 5, 123_456_000, time.UTC),
	} {
		got, err := parseTime([]byte(text))
		if err != nil || got != want { // Not Equal: rows are compared with ==.
			t.Errorf("parseTime(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "2026-11-23T19:10:05Z", "23.11.2026 19:10:05"} {
		if got, err := parseTime([]byte(text)); err == nil {
			t.Errorf("parseTime(%q) = %v, want an error", text, got)
		}
	}
}

// The fast way must never read a time otherwise than the careful one.
func TestPlainTimesAreReadAsAnyTimeIs(t *testing.T) {
	for _, text := range []string{
		"2026-11-23 19:10:05", "2026-11-23 19:10:05+00", "2026-11-23 19:10:05.1", "2026-11-23 19:10:05.123456+00",
		"2024-02-29 00:00:00", "0001-01-01 00:00:00", "9999-12-31 23:59:59.999999+00",
	} {
		want, err := anyTime([]byte(text))
		if got, ok := plainTime([]byte(text)); err != nil || !ok || got != want {
			t.Errorf("plainTime(%q) = %v, %t; want %v, %v", text, got, ok, want, err)
		}
	}
	for _, text := range []string{
		"", "2026-11-23", "2026-11-23 19:10:0x", "2026-11-23 19:10:05.", "2026-11-23 19:10:05.12345678", "2026-11-23 19:10:05+02", "2026-11-23 19:10:05+05:30",
		"2026-02-30 00:00:00", "2026-13-01 00:00:00", "2026-00-01 00:00:00", "2026-01-00 00:00:00", "2026-11-23 24:00:00", "2026-11-23 19:60:05", "2026-11-23 19:10:60",
		"10026-11-23 19:10:05", "0044-03-15 00:00:00 BC", "2026/11/23 19:10:05", "2026-11-23T19:10:05", "2026-11-23 19:10:05.+00", "2026-11-23 19:10:05,5",
	} {
		if got, ok := plainTime([]byte(text)); ok {
			t.Errorf("plainTime(%q) = %v; want it left to anyTime", text, got)
		}
	}
	seeds := []byte("2026-11-23 19:10:05.123456+00")
	rapid.Check(t, func(t *rapid.T) {
		text := bytes.Clone(seeds[:rapid.IntRange(0, len(seeds)).Draw(t, "length")])
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			if len(text) > 0 {
				at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
				text[at] = rapid.SampledFrom([]byte("0123456789.:-+ ")).Draw(t, "to")
			}
		}
		if got, ok := plainTime(text); ok {
			if want, err := anyTime(text); err != nil || got != want {
				t.Errorf("plainTime(%q) = %v; want %v, %v", text, got, want, err)
			}
		}
	})
}

func BenchmarkParseTime(b *testing.B) {
	text := []byte("2026-11-23 19:10:05.123456+00")
	for b.Loop() {
		if _, err := parseTime(text); err != nil {
			b.Fatal(err)
		}
	}
}

func TestCustomPropsOfGoals(t *testing.T) {
	for text, want := range map[string]map[string]string{
		`{}`:                            nil,
		`null`:                          nil,
		`{"plan": "pro", "n": "1"}`:     {"plan": "pro", "n": "1"},
		`{"plan": 1, "on": true}`:       {"plan": "1", "on": "true"},
		`{"quote\"d": "ümläut \u00e9"}`: {`quote"d`: "ümläut é"},
	} {
		got, err := parseProps([]byte(text))
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("parseProps(%s) = %v, %v; want %v", text, got, err, want)
		}
	}
	if got, err := parseProps([]byte(`["plan"]`)); err == nil {
		t.Errorf("parseProps of a list = %v, want an error", got)
	}
	if got, err := parseProps(nil); err != nil || got != nil {
		t.Errorf("parseProps of null = %v, %v; want nil, nil", got, err)
	}
}

func TestIntegersAndBooleans(t *testing.T) {
	if _, err := parseInt(nil); err == nil {
		t.Error("parseInt of null gives no error")
	}
	if n, err := zeroOr(nil); n != 0 || err != nil {
		t.Errorf("zeroOr(null) = %d, %v; want 0", n, err)
	}
	if _, err := zeroOr([]byte("x")); err == nil {
		t.Error("zeroOr(x) gives no error")
	}
	if zero, err := parseOptional([]byte("0")); err != nil || zero == nil || *zero != 0 {
		t.Errorf("parseOptional(0) = %v, %v; want a zero that is not null", zero, err)
	}
	if null, err := parseOptional(nil); err != nil || null != nil {
		t.Errorf("parseOptional(null) = %v, %v; want nil", null, err)
	}
	if _, err := parseBool([]byte("yes")); err == nil {
		t.Error("parseBool(yes) gives no error")
	}
}
