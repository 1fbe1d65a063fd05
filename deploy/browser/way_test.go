package browser_test

import (
	"fmt"
	"strings"
	"testing"
)

// way is how a person comes to the page: everything that may make a difference
// to what is seen and what works.
type way struct {
	dark, narrow, noScript, plain bool
}

func (w way) String() string {
	word := func(is bool, yes, no string) string {
		if is {
			return yes
		}
		return no
	}
	return strings.Join([]string{
		word(w.dark, "dark", "light"), word(w.narrow, "narrow", "wide"),
		word(w.noScript, "no-script", "script"), word(w.plain, "plain", "own"),
	}, "-")
}

// journeys are what a person can do, each once from signing in to its end, in
// the order of the issue that lists them.
var journeys = []struct {
	name string
	way  way
	walk func(*tab)
}{
	{"1-glance", way{narrow: true, noScript: true}, glance},
	{"2-add", way{dark: true, plain: true}, add},
	{"3-threshold", way{dark: true, narrow: true}, threshold},
	{"4-test", way{noScript: true, plain: true}, sendTest},
	{"5-log", way{dark: true, noScript: true}, readLog},
	{"6-change", way{narrow: true, plain: true}, change},
	{"7-mistakes", way{dark: true, narrow: true, noScript: true, plain: true}, mistakes},
	{"8-keyboard", way{}, byKeyboard},
}

// Any two of the four meet in each combination, in the seven journeys alone
// already.
func TestWaysArePairwiseComplete(t *testing.T) {
	met := map[string]bool{}
	factors := func(w way) [4]bool { return [4]bool{w.dark, w.narrow, w.noScript, w.plain} }
	for _, j := range journeys[:7] {
		f := factors(j.way)
		for a := range f {
			for b := a + 1; b < len(f); b++ {
				met[fmt.Sprint(a, f[a], b, f[b])] = true
			}
		}
	}
	if want := 6 * 4; len(met) != want {
		t.Errorf("%d pairs of %d are met", len(met), want)
	}
	if len(journeys) < 7 {
		t.Errorf("%d journeys; want one for each of the seven things that a person can do", len(journeys))
	}
}
