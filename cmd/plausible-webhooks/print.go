package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// printJSON prints for machines: indented, and without the HTML escaping that
// encoding/json does by default.
func (p program) printJSON(value any) error {
	encoder := json.NewEncoder(p.stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// table prints rows with aligned columns, measured in characters; the first
// row is the heading. Names that people chose cannot break it: control
// characters are replaced.
func table(out io.Writer, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(oneLine(cell))
			line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		fmt.Fprintln(out, strings.TrimRight(line.String(), " "))
	}
}

// oneLine replaces what would move the cursor or reorder text, character by
// character, so that widths stay.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return '\uFFFD'
		}
		return r
	}, text)
}

// moment writes a time for people: in their zone, with how long ago it was.
func (p program) moment(at time.Time) string {
	return p.clock(at) + " (" + ago(p.now().Sub(at)) + ")"
}

// clock writes a time without its distance, for columns.
func (p program) clock(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.In(p.local).Format("2006-01-02 15:04:05")
}

// ago writes a distance in its largest unit.
func ago(d time.Duration) string {
	if d < 0 {
		return "in " + span(-d)
	}
	return span(d) + " ago"
}

func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return counted(int(d/time.Second), "second", "seconds")
	case d < time.Hour:
		return counted(int(d/time.Minute), "minute", "minutes")
	case d < 48*time.Hour:
		return counted(int(d/time.Hour), "hour", "hours")
	default:
		return counted(int(d/(24*time.Hour)), "day", "days")
	}
}

// window writes seconds in the unit that people would use: 300 is 5m.
func window(seconds int) string {
	switch {
	case seconds > 0 && seconds%3600 == 0:
		return fmt.Sprintf("%dh", seconds/3600)
	case seconds > 0 && seconds%60 == 0:
		return fmt.Sprintf("%dm", seconds/60)
	default:
		return fmt.Sprintf("%ds", seconds)
	}
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// optional writes null as null.
func optional[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}
