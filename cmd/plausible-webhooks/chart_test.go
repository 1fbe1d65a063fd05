package main

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var chartStart = time.Date(2026, 10, 25, 19, 0, 0, 0, time.UTC)

// waves are values of some days, with one that stands out.
func waves(n, middle int) []int {
	values := make([]int, n)
	for i := range values {
		values[i] = max(0, middle+int(float64(middle)*math.Sin(float64(i)/4)))
	}
	values[n/2] = 9 * middle
	return values
}

func TestCharts(t *testing.T) {
	days := func(n int) time.Time { return chartStart.AddDate(0, 0, n) }
	atLeast := func(n int) func(int) bool { return func(v int) bool { return v >= n } }
	for name, c := range map[string]chart{
		"spike":         {values: waves(67, 20), threshold: 50, hit: atLeast(50), until: days(30)},
		"spike_ascii":   {values: waves(67, 20), threshold: 50, hit: atLeast(50), until: days(30), ascii: true},
		"spike_colour":  {values: waves(67, 20), threshold: 30, hit: atLeast(30), until: days(30), colour: true},
		"drop":          {values: waves(60, 400), threshold: 300, until: days(2)},
		"drop_ascii":    {values: waves(60, 400), threshold: 300, until: days(2), ascii: true},
		"completed":     {values: waves(67, 3), until: days(1)},
		"far_above":     {values: waves(67, 1), threshold: 1_000_000, until: days(900)},
		"one_value":     {values: []int{7}, threshold: 10, until: days(1)},
		"no_visitors":   {values: make([]int, 67), threshold: 2, until: days(30)},
		"narrow":        {values: waves(27, 20), threshold: 50, until: days(30)},
		"last_is_first": {values: []int{5, 5}, threshold: 5, hit: atLeast(5), until: chartStart, colour: true},
	} {
		t.Run(name, func(t *testing.T) {
			c.from, c.local, c.height = chartStart, time.UTC, chartHeight
			got := c.String()
			golden(t, "chart/"+name, got)
			plain := strings.NewReplacer(hitColour, "", noColour, "").Replace(got)
			for line := range strings.Lines(plain) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > usualColumns {
					t.Errorf("%d columns: %s", n, line)
				}
				if c.ascii && strings.ContainsFunc(line, func(r rune) bool { return r > '~' }) {
					t.Errorf("not ASCII: %s", line)
				}
			}
			if !c.colour && plain != got {
				t.Error("colours that nobody asked for")
			}
		})
	}
}

func TestNumbersAreGrouped(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -123: "-123", -1234: "-1,234"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %q; want %q", n, got, want)
		}
	}
}
