package stats

import (
	"regexp"
	"testing"

	"pgregory.net/rapid"
)

// ParsePath means what the expression means that ClickHouse is given.
func TestPathsMeanTheirPatterns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		goal := rapid.StringMatching(`[ab/|*]{0,9}`).Draw(t, "goal")
		parsed, wildcard := ParsePath(goal)
		pattern, isPattern := pathPattern(goal)
		if wildcard != isPattern {
			t.Fatalf("%q: wildcard %v, as a pattern %v", goal, wildcard, isPattern)
		}
		if !wildcard {
			return
		}
		expression := regexp.MustCompile("(?s)" + pattern)
		for range 20 {
			path := rapid.StringMatching(`[ab/|\n]{0,8}`).Draw(t, "path")
			if got, want := parsed.Match(path), expression.MatchString(path); got != want {
				t.Fatalf("%q matches %q: %v, its pattern %s: %v", goal, path, got, pattern, want)
			}
		}
	})
}

// Up to its bound the count of visitors is exact, beyond it nearly.
func TestVisitorsAreCountedLikeUniq(t *testing.T) {
	var v visitors
	for user := range uint64(1_000_000) {
		v.add(user)
		v.add(user)
		if user+1 == 60_000 && v.count() != 60_000 {
			t.Fatalf("%d of 60,000 visitors", v.count())
		}
	}
	if got := v.count(); got < 980_000 || got > 1_020_000 {
		t.Errorf("%d of 1,000,000 visitors; want within 2%%", got)
	}
	if len(v.hashes) > mostVisitors {
		t.Errorf("%d hashes are kept, want at most %d", len(v.hashes), mostVisitors)
	}
}
