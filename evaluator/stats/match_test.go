package stats

import (
	"fmt"
	"slices"
	"testing"

	"plausible-webhooks/config"
)

// Many goals of a site match as each alone does, the second time too.
func TestManyWildcardsMatchAsEachAlone(t *testing.T) {
	var goals []config.Goal
	for i := range 100 {
		g := config.Goal{ID: int64(i), SiteID: 1, PagePath: fmt.Sprintf("/%d*%d", i%7, i%5), ScrollThreshold: config.NoScrollThreshold}
		if i%3 == 0 {
			g.PagePath = fmt.Sprintf("/%d/%d", i%7, i%5)
		}
		goals = append(goals, g)
	}
	all, f := NewMatcher(goals), NewFilter()
	matches := func(m *Matcher, path string) (ids []int64) {
		m.Match(f, &Bucket{Name: pageview, Path: path}, func(goal int64) { ids = append(ids, goal) })
		slices.Sort(ids)
		return ids
	}
	total := 0
	for range 2 {
		for i := range 3 * mostRemembered {
			path := fmt.Sprintf("/%d/%d", i%9, i)
			got := matches(all, path)
			total += len(got)
			if i%97 != 0 && i > 20 {
				continue
			}
			var want []int64
			for _, g := range goals {
				want = append(want, matches(NewMatcher([]config.Goal{g}), path)...)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s completes %v, want %v", path, got, want)
			}
		}
	}
	if total == 0 {
		t.Error("nothing matched at all")
	}
}
