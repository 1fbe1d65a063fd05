package sender

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// Whatever a receiver asks for, the wait is neither negative, nor over a
// minute, nor shorter than it would be without.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{
		"", "0", "-5", "1.5", " 2", "86400", "9223372036", "9223372037", "18446744073", "18446744073709551616", "00000000000000000000007", "+3", "\u0665", "1e9", "60", "61",
		"Mon, 23 Nov 2026 12:00:07 GMT", "Monday, 23-Nov-26 12:00:07 GMT", "Mon Nov 23 12:00:07 2026", "Fri, 31 Dec 1999 23:59:59 GMT", "Tue, 31 Dec 2199 23:59:59 GMT", "Sat, 01 Jan 0000 00:00:00 GMT",
	} {
		f.Add(seed, 1, uint16(503), int64(0))
		f.Add(seed, 4, uint16(429), noon.UnixNano())
	}
	o := Defaults()
	f.Fuzz(func(t *testing.T, header string, n int, status uint16, clock int64) {
		now := time.Unix(0, clock)
		asked, understood := parseRetryAfter(header, now)
		if asked < 0 || asked > maxRetryAfter || !understood && asked != 0 {
			t.Errorf("%q: got %s, %t", header, asked, understood)
		}
		if again, also := parseRetryAfter(" "+header+"\t", now); again != asked || also != understood {
			t.Errorf("%q with blanks around: got %s, %t, want %s, %t", header, again, also, asked, understood)
		}
		// Seconds are digits alone, and nothing else is a number.
		trimmed := strings.TrimSpace(header)
		if seconds, err := strconv.ParseUint(trimmed, 10, 64); err == nil && trimmed[0] != '+' {
			want := min(seconds, uint64(maxRetryAfter/time.Second))
			if !understood || asked != time.Duration(want)*time.Second {
				t.Errorf("%q: got %s, want %d s", header, asked, want)
			}
		} else if at, err := http.ParseTime(trimmed); err == nil {
			if !understood || at.Before(now) && asked != 0 || at.After(now.Add(maxRetryAfter)) && asked != maxRetryAfter {
				t.Errorf("%q at %s: got %s, want the time until then", header, now, asked)
			}
		} else if understood && strings.Trim(trimmed, "0123456789") != "" {
			t.Errorf("%q: got %s, want it ignored", header, asked)
		}

		normal := o.waitBefore(n, outcome{status: 500, answered: true, retryAfter: header}, now)
		if normal < o.RetryWaitMin || normal > o.RetryWaitMax {
			t.Errorf("wait %d: got %s", n, normal)
		}
		wait := o.waitBefore(n, outcome{status: int(status), answered: true, retryAfter: header}, now)
		switch status {
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			if wait != max(normal, asked) {
				t.Errorf("%d with %q, wait %d: got %s, want the longer of %s and %s", status, header, n, wait, normal, asked)
			}
		default:
			if wait != normal {
				t.Errorf("%d with %q, wait %d: got %s, want %s", status, header, n, wait, normal)
			}
		}
	})
}

// An excerpt can be stored and shown, and says what the receiver said up to
// its limit, without a difference but for what is replaced.
func FuzzExcerpt(f *testing.F) {
	for _, seed := range []string{
		"", "ok", "a\x00b\x1b[31m", "\xff\xfe\xc3\x28\xed\xa0\x80", "Grüße\u2028\u202ex", "\u0085\u061c", "line\r\nline\ttab", "𝄞𝄞𝄞", "aaaa\xe2\x82", "\xf0\x9f", "\x00\x00\x00\x00",
	} {
		f.Add([]byte(seed), uint16(5))
		f.Add([]byte(strings.Repeat(seed, 300)), uint16(excerptBytes))
	}
	f.Fuzz(func(t *testing.T, raw []byte, limit uint16) {
		limit %= excerptBytes + 1
		got := clean(raw, int(limit))
		if len(got) > int(limit) || !utf8.ValidString(got) || strings.ContainsFunc(got, unprintable) {
			t.Errorf("%q, %d: got %q", raw, limit, got)
		}
		if again := clean([]byte(got), int(limit)); again != got {
			t.Errorf("%q, %d: got %q, then %q", raw, limit, got, again)
		}
		// All of it, cleaned in another way.
		whole := strings.Map(func(r rune) rune {
			if strings.ContainsRune("\r\n\t", r) {
				return ' '
			}
			if unprintable(r) {
				return utf8.RuneError
			}
			return r
		}, everyByte(raw))
		if !strings.HasPrefix(whole, got) {
			t.Errorf("%q, %d: got %q, which does not begin %q", raw, limit, got, whole)
		}
		if got != whole && len(got)+utf8.UTFMax <= int(limit) {
			t.Errorf("%q, %d: got %q, which leaves out more than it needs to", raw, limit, got)
		}
	})
}

// everyByte is the text of all bytes, each invalid one replaced by itself.
func everyByte(raw []byte) string {
	var b strings.Builder
	for len(raw) > 0 {
		r, size := utf8.DecodeRune(raw)
		if r == utf8.RuneError && size == 1 {
			b.WriteString("\uFFFD")
		} else {
			b.Write(raw[:size])
		}
		raw = raw[size:]
	}
	return b.String()
}

func unprintable(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
}
