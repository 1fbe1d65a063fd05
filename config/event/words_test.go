package event

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestDurationsReadAsPeopleSayThem(t *testing.T) {
	tests := map[int]string{
		-1: "0 s", 0: "0 s", 1: "1 s", 59: "59 s", 60: "1 min", 61: "1 min 1 s", 3599: "59 min 59 s",
		3600: "1 h", 3659: "1 h", 7500: "2 h 5 min", 86400: "1 d", 86459: "1 d", 90000: "1 d 1 h", 100 * 86400: "100 d",
	}
	for seconds, want := range tests {
		if got := duration(seconds); got != want {
			t.Errorf("duration(%d) = %q, want %q", seconds, got, want)
		}
	}
}

func TestWindowsReadAsPeopleSayThem(t *testing.T) {
	tests := map[int]string{
		60: "1 minute", 300: "5 minutes", 900: "15 minutes", 1800: "30 minutes", 3600: "1 hour", 10800: "3 hours",
		21600: "6 hours", 43200: "12 hours", 86400: "24 hours", 90: "90 seconds", 1: "1 second",
	}
	for seconds, want := range tests {
		if got := span(seconds); got != want {
			t.Errorf("span(%d) = %q, want %q", seconds, got, want)
		}
	}
}

func TestNumbersHaveThousandsSeparated(t *testing.T) {
	tests := map[int]string{0: "0", 999: "999", 1000: "1,000", 123456: "123,456", 1234567: "1,234,567", -1000: "-1,000"}
	for n, want := range tests {
		if got := number(n); got != want {
			t.Errorf("number(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestPeriodsNameTheirDateOnceWhereTheyCan(t *testing.T) {
	day := time.Date(2026, 11, 23, 19, 10, 5, 0, time.UTC)
	tests := []struct {
		period Period
		want   string
	}{
		{Period{day, day.Add(20 * time.Second)}, "2026-11-23 19:10 UTC"},
		{Period{day, day.Add(time.Hour)}, "2026-11-23 19:10 to 20:10 UTC"},
		{Period{day, day.Add(24 * time.Hour)}, "2026-11-23 19:10 to 2026-11-24 19:10 UTC"},
	}
	for _, test := range tests {
		if got := between(test.period); got != test.want {
			t.Errorf("between = %q, want %q", got, test.want)
		}
	}
}

func TestNamesAreMadeFitForOneLine(t *testing.T) {
	tests := map[string]string{
		"":                          "(none)",
		" \t\n":                     "(none)",
		"a\r\nb\x00c\x1b[31m":       "a b c [31m",
		"safe\u202egnp.exe":         "safe gnp.exe",
		"bad \xff utf8":             "bad \uFFFD utf8",
		"👩\u200d💻":                  "👩\u200d💻",
		"❤\ufe0f\u200d🔥":            "❤\ufe0f\u200d🔥",
		"می\u200cخواهم":             "می\u200cخواهم",
		"@\u200deveryone":           "@everyone",
		"evil.\u200cexample":        "evil.example",
		"\u200da\u200c\u200d\u200c": "a",
		"é\u200d\u200dé":            "éé",
		"\u3164\u115f\u034f\u2800":  "(none)",
		"a\u3164b\U000e0101c":       "abc",
		"tag\U000e0041 \ufeffx":     "tag x",
		strings.Repeat("ü", 101):    strings.Repeat("ü", 99) + "…",
		strings.Repeat("ü", 100):    strings.Repeat("ü", 100),
	}
	for given, want := range tests {
		got := name(given)
		if got != want {
			t.Errorf("name(%q) = %q, want %q", given, got, want)
		}
		if !utf8.ValidString(got) {
			t.Errorf("name(%q) = %q is not UTF-8", given, got)
		}
	}
}

func TestWhatDoesNotFitIsDroppedFromTheEndAndTheLinkLast(t *testing.T) {
	facts := []string{"fact one", "fact two"}
	tests := map[int]string{
		100: "head\nfact one\nfact two\nlink",
		26:  "head\nfact one\nlink",
		10:  "head\nlink",
		8:   "head",
	}
	for limit, want := range tests {
		if got := lines("head", facts, "link", limit, bytesOf); got != want {
			t.Errorf("limit %d: %q, want %q", limit, got, want)
		}
	}
}

func TestACardThatWouldBeTooLargeLosesFacts(t *testing.T) {
	m := message{headline: "head", link: "https://plausible.example.com/x"}
	for range 10 {
		m.add("Label", strings.Repeat("x", 2000))
	}
	body, err := teams(m)
	if err != nil || 2*utf16Units(body) > teamsBytes || strings.Count(body, "Label: ") != 6 || !strings.Contains(body, m.link) {
		t.Errorf("got %d facts in %d units, %v; want as many as fit, and the link", strings.Count(body, "Label: "), utf16Units(body), err)
	}
}
