package event

import (
	"strconv"
	"strings"
	"time"
	"unicode"
)

// nameRunes is how much of a name a chat message shows. Plausible allows 120
// for goals, 255 for domains and 2,000 for pages; a message must stay readable
// and within every service's limit with six of them.
const nameRunes = 100

// name makes text that others chose fit for one line of a message: control
// and formatting characters become spaces (a direction override would turn
// the rest of the line around), what cannot be seen goes, white space
// collapses, and what is too long is cut between runes.
func name(s string) string {
	s = strings.Map(visible, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.Join(strings.Fields(joined(s)), " ")
	if s == "" {
		return "(none)"
	}
	return cut(s, nameRunes)
}

// visible replaces what is no character that a reader sees.
func visible(r rune) rune {
	switch {
	case joiner(r), r == '\ufe0e', r == '\ufe0f':
		return r // Joiners are seen to later; the others choose between text and emoji.
	case unicode.In(r, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point):
		return -1
	case r == '\u2800': // A Braille pattern without dots, which is no space to unicode.
		return ' '
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co):
		return ' '
	default:
		return r
	}
}

// joiner reports the two characters of no width that belong to the spelling of
// Persian and of Indian languages, and to emoji.
func joiner(r rune) bool { return r == '\u200c' || r == '\u200d' }

// joined drops joiners but between two characters outside ASCII: elsewhere they
// only hide from a reader, and from escapes, what two characters make together.
func joined(s string) string {
	if !strings.ContainsFunc(s, joiner) {
		return s
	}
	runes := []rune(s)
	joins := func(i int) bool {
		return i >= 0 && i < len(runes) && runes[i] > unicode.MaxASCII && !joiner(runes[i]) && !unicode.IsSpace(runes[i])
	}
	var b strings.Builder
	for i, r := range runes {
		if !joiner(r) || joins(i-1) && joins(i+1) {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// cut shortens s to at most limit runes, the last of them an ellipsis where
// something was cut off.
func cut(s string, limit int) string {
	runes := []rune(s)
	if len(runes) <= limit {
		return s
	}
	return strings.TrimRight(string(runes[:limit-1]), " ") + "…"
}

// number writes n with commas between thousands.
func number(n int) string {
	digits := strconv.Itoa(n)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

func count(n int, singular, plural string) string {
	if n == 1 {
		return "1 " + singular
	}
	return number(n) + " " + plural
}

func visitors(n int) string { return count(n, "visitor", "visitors") }

// span writes a window's length in full words, in the largest unit that is
// exact up to hours: windows of a day are spoken of as 24 hours.
func span(seconds int) string {
	switch {
	case seconds >= 3600 && seconds%3600 == 0:
		return count(seconds/3600, "hour", "hours")
	case seconds >= 60 && seconds%60 == 0:
		return count(seconds/60, "minute", "minutes")
	default:
		return count(seconds, "second", "seconds")
	}
}

// lately writes a window as the stretch of time up to now.
func lately(seconds int) string { return "in the last " + strings.TrimPrefix(span(seconds), "1 ") }

// duration writes how long something took, in its two largest units.
func duration(seconds int) string {
	units := []struct {
		seconds int
		symbol  string
	}{{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}}
	for i, unit := range units {
		if seconds < unit.seconds {
			continue
		}
		text := number(seconds/unit.seconds) + " " + unit.symbol
		if rest := seconds % unit.seconds; i+1 < len(units) && rest >= units[i+1].seconds {
			text += " " + strconv.Itoa(rest/units[i+1].seconds) + " " + units[i+1].symbol
		}
		return text
	}
	return "0 s"
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// between writes a period, its date once where both ends share it.
func between(p Period) string {
	from, to := p.From.UTC(), p.To.UTC()
	switch {
	case from.Truncate(time.Minute).Equal(to.Truncate(time.Minute)):
		return clock(to)
	case from.Format(time.DateOnly) == to.Format(time.DateOnly):
		return from.Format("2006-01-02 15:04") + " to " + to.Format("15:04 UTC")
	default:
		return from.Format("2006-01-02 15:04") + " to " + clock(to)
	}
}

// counts writes the first three of a list, with their visitors.
func counts(list []Count) string {
	var parts []string
	for _, c := range list[:min(len(list), 3)] {
		parts = append(parts, name(c.Name)+" ("+number(c.Visitors)+")")
	}
	return strings.Join(parts, ", ")
}
