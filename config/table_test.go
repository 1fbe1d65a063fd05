package config

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// version is a table and what must be in it.
type version struct {
	table *Table[Goal]
	want  map[int64]Goal
}

func (v version) check(t *rapid.T) {
	t.Helper()
	want := slices.SortedFunc(maps.Values(v.want), func(a, b Goal) int { return cmp.Compare(a.ID, b.ID) })
	if diff := gocmp.Diff(want, slices.Collect(v.table.All())); len(want)+v.table.Len() > 0 && diff != "" {
		t.Fatalf("All() (-want +got):\n%s", diff)
	}
	if got := v.table.Len(); got != len(want) {
		t.Fatalf("Len() = %d, want %d", got, len(want))
	}
	owned := map[int64][]Goal{}
	for _, g := range want {
		owned[g.SiteID] = append(owned[g.SiteID], g)
		if got, ok := v.table.Get(g.ID); !ok || !got.Equal(g) {
			t.Fatalf("Get(%d) = %+v, %v; want %+v", g.ID, got, ok, g)
		}
	}
	for _, site := range []int64{-1, 0, 1, 2, 3, math.MaxInt64} {
		if diff := gocmp.Diff(owned[site], v.table.of(site)); diff != "" {
			t.Fatalf("of(%d) (-want +got):\n%s", site, diff)
		}
	}
	checkChunks(t, v.table.rows)
	checkChunks(t, v.table.owners)
}

// checkChunks checks what find and with rely on.
func checkChunks[R any](t *rapid.T, s *sequence[R]) {
	t.Helper()
	last, count := key{math.MinInt64, math.MinInt64}, 0
	for n, c := range s.chunks {
		if c.len() == 0 || c.len() > fullChunk || c.key(0) != c.first || len(c.packed) > math.MaxUint16 {
			t.Fatalf("chunk %d has %d rows in %d bytes, the first %v; it says %v", n, c.len(), len(c.packed), c.key(0), c.first)
		}
		if n < len(s.chunks)-1 && c.len() < thinChunk {
			t.Fatalf("chunk %d of %d has %d rows only", n, len(s.chunks), c.len())
		}
		for i := range c.len() {
			if k := c.key(i); n+i > 0 && k.compare(last) <= 0 {
				t.Fatalf("key %v comes behind %v", k, last)
			}
			last = c.key(i)
		}
		count += c.len()
	}
	if count != s.count {
		t.Fatalf("there are %d rows, said to be %d", count, s.count)
	}
}

// changesOf draws changes of a part of the ids, so that chunks fill, overflow,
// thin out and vanish.
func changesOf(t *rapid.T) []Change[Goal] {
	from := rapid.SampledFrom([]int64{1, 100, 333, 700, 1500}).Draw(t, "from")
	ids := map[int64]bool{}
	switch count := rapid.SampledFrom([]int{1, 10, 60, 200, 300, 800}).Draw(t, "count"); rapid.IntRange(0, 2).Draw(t, "which") {
	case 0: // All of a range.
		for id := from; id < from+int64(count); id++ {
			ids[id] = true
		}
	case 1: // Some of it.
		for id := from; id < from+int64(count); id += 7 {
			ids[id] = true
		}
	case 2: // Some anywhere.
		for _, id := range rapid.SliceOfN(rapid.Int64(), 1, 20).Draw(t, "ids") {
			ids[id] = true
		}
	}
	gone := rapid.Bool().Draw(t, "gone")
	site := rapid.SampledFrom([]int64{-1, 0, 1, 2, 3, math.MaxInt64}).Draw(t, "site")
	name := rapid.SampledFrom([]string{"", "Signup", "Purchase"}).Draw(t, "name")
	var changes []Change[Goal]
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		c := Change[Goal]{ID: id, Gone: gone}
		if !gone {
			c.Row = Goal{ID: id, SiteID: site, DisplayName: name, EventName: name}
		}
		changes = append(changes, c)
	}
	return changes
}

// A table is as a map is, and none is changed by what is made from it.
func TestTableIsLikeAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		versions := []version{{EmptyState().Goals, map[int64]Goal{}}}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			was := versions[len(versions)-1]
			changes := changesOf(t)
			now := version{was.table.With(changes), maps.Clone(was.want)}
			for _, c := range changes {
				if c.Gone {
					delete(now.want, c.ID)
				} else {
					now.want[c.ID] = c.Row
				}
			}
			if same := maps.EqualFunc(was.want, now.want, Goal.Equal); same != (was.table == now.table) {
				t.Fatalf("the rows are the same: %v, the table is the same: %v", same, was.table == now.table)
			}
			versions = append(versions, now)
		}
		for _, v := range versions {
			v.check(t)
		}
		one, other := rapid.SampledFrom(versions).Draw(t, "one"), rapid.SampledFrom(versions).Draw(t, "other")
		var want []Goal
		for _, id := range slices.Sorted(maps.Keys(one.want)) {
			if was, ok := other.want[id]; !ok || !was.Equal(one.want[id]) {
				want = append(want, one.want[id])
			}
		}
		if diff := gocmp.Diff(want, slices.Collect(one.table.ChangedSince(other.table))); diff != "" {
			t.Fatalf("ChangedSince (-want +got):\n%s", diff)
		}
	})
}

func TestChangeOfOneRowSharesAllButItsChunk(t *testing.T) {
	goals := map[int64]Goal{}
	for id := int64(1); id <= 100*fullChunk; id++ {
		goals[id] = Goal{ID: id, SiteID: id % 500, EventName: "Signup"}
	}
	before := Tables{Goals: goals}.State().Goals
	for name, c := range map[string]Change[Goal]{
		"changed":  {ID: 5000, Row: Goal{ID: 5000, SiteID: 5000 % 500, EventName: "Purchase"}},
		"moved":    {ID: 5000, Row: Goal{ID: 5000, SiteID: 7, EventName: "Signup"}},
		"gone":     {ID: 5000, Gone: true},
		"appended": {ID: 1 << 40, Row: Goal{ID: 1 << 40, SiteID: 7, EventName: "Signup"}},
	} {
		after := before.With([]Change[Goal]{c})
		if n := notIn(before.rows.chunks, after.rows.chunks); n > 2 {
			t.Errorf("%s: %d chunks of rows are new", name, n)
		}
		if n := notIn(before.owners.chunks, after.owners.chunks); n > 4 {
			t.Errorf("%s: %d chunks of links are new", name, n)
		}
	}
}

func notIn(before, after []*chunk) (count int) {
	for _, c := range after {
		if !slices.Contains(before, c) {
			count++
		}
	}
	return count
}

// Rows with keys that grow, as a sequence in a database gives them, leave no
// half empty chunks behind.
func TestRowsThatFollowEachOtherFillTheirChunks(t *testing.T) {
	table := EmptyState().Triggers
	for id := int64(1); id <= 10*fullChunk; id++ {
		table = table.With([]Change[Trigger]{{ID: id, Row: Trigger{ID: id, WebhookID: id / 5}}})
	}
	if n := len(table.rows.chunks); n != 10 {
		t.Errorf("%d chunks hold what fits into 10", n)
	}
}

// Equal properties are held once a chunk, and what a chunk holds is its own.
func TestCustomPropsOfManyGoals(t *testing.T) {
	goals := map[int64]Goal{}
	for id := int64(1); id <= 3*fullChunk; id++ {
		goals[id] = Goal{ID: id, CustomProps: map[string]string{"plan": []string{"free", "pro"}[id%2], "of": "x"}}
	}
	table := Tables{Goals: goals}.State().Goals
	for id, want := range goals {
		if got, _ := table.Get(id); !got.Equal(want) {
			t.Fatalf("goal %d is %+v, want %+v", id, got, want)
		}
	}
	for i, c := range table.rows.chunks {
		if len(c.props) != 2 {
			t.Errorf("chunk %d holds %d maps of properties, want 2", i, len(c.props))
		}
	}
}
