package cdc

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pglogrepl"

	"plausible-webhooks/config"
)

// goalText is a goal as text, in the order of describeGoals.
func goalText(id int, name string) tuple {
	var t tuple
	for _, v := range []string{fmt.Sprint(id), "1", "Signup", "", name, "-1", "{}"} {
		t.values = append(t.values, []byte(v))
	}
	return t
}

func described(t *testing.T, m *mirror) *mirror {
	t.Helper()
	var names []string
	for _, c := range describeGoals.Columns {
		names = append(names, c.Name)
	}
	if _, err := m.goals.describe(names); err != nil {
		t.Fatal(err)
	}
	return m
}

// readGoals reads goals with the given ids and names, beginning from a state.
func readGoals(t *testing.T, known state, ids []int, name func(id int) string) state {
	t.Helper()
	m := described(t, newMirror(known))
	m.goals.beginRead()
	for _, id := range ids {
		if err := m.goals.load(goalText(id, name(id))); err != nil {
			t.Fatal(err)
		}
	}
	m.goals.endRead()
	return m.state()
}

// So many rows are applied in several portions.
func TestReadOfManyRowsFromAnyState(t *testing.T) {
	const many = 3*fewestChanges + 100
	var all, some []int
	for id := range many {
		all = append(all, id)
		if id < 100 || id > fewestChanges && id%3 > 0 {
			some = append(some, id)
		}
	}
	old := func(int) string { return "old" }
	mixed := func(id int) string { return []string{"old", "new"}[id%2] }
	states := map[string]state{
		"nothing": emptyState(),
		"all":     readGoals(t, emptyState(), all, old),
		"some":    readGoals(t, emptyState(), some, mixed),
	}
	for from, known := range states {
		for _, to := range []struct {
			ids  []int
			name func(int) string
		}{{all, old}, {all, mixed}, {some, old}, {some, mixed}, {nil, old}} {
			var want []config.Goal
			for _, id := range to.ids {
				want = append(want, config.Goal{ID: int64(id), SiteID: 1, DisplayName: to.name(id), EventName: "Signup", ScrollThreshold: config.NoScrollThreshold})
			}
			got := readGoals(t, known, to.ids, to.name)
			if diff := cmp.Diff(want, rowsOf(got.Goals)); diff != "" {
				t.Fatalf("from %s to %d rows (-want +got):\n%s", from, len(want), diff)
			}
			if again := readGoals(t, got, to.ids, to.name); again != got {
				t.Errorf("from %s to %d rows: a second read is another state", from, len(want))
			}
		}
	}
	s := newStream(newMirror(states["all"]))
	applyAll(t, s, append([]pglogrepl.Message{describeGoals}, transaction(truncateOf(goalsID), insertInto(goalsID, 5, 1, "Signup", nil, "new", -1, "{}"))...)...)
	if got := rowsOf(s.mirror.state().Goals); len(got) != 1 || got[0].DisplayName != "new" {
		t.Errorf("a truncate leaves %d goals, want the one that was inserted after it", len(got))
	}
}

func TestReadInAnotherOrderIsRefused(t *testing.T) {
	for _, ids := range [][]int{{2, 1}, {1, 1}, {0, 0}} {
		m := described(t, newMirror(emptyState()))
		m.goals.beginRead()
		if err := m.goals.load(goalText(ids[0], "a")); err != nil {
			t.Fatal(err)
		}
		if err := m.goals.load(goalText(ids[1], "a")); err == nil || !strings.Contains(err.Error(), "comes behind") {
			t.Errorf("%v: error is %v, want one about the order", ids, err)
		}
		m.goals.abandonRead()
		if n := m.state().Goals.Len(); n != 0 {
			t.Errorf("%v: an abandoned read leaves %d goals", ids, n)
		}
	}
}

func TestSitesInOneOrder(t *testing.T) {
	known := sites{shown: emptyState().Sites, pseudo: emptyState().pseudo}
	var changes []config.Change[site]
	for id := int64(1); id <= 6; id++ {
		changes = append(changes, config.Change[site]{ID: id, Row: site{config.Site{ID: id}, id%3 != 2}})
	}
	all := known.With(changes)
	if got := slices.Collect(all.All()); len(got) != 6 || !slices.IsSortedFunc(got, func(a, b site) int { return int(a.ID - b.ID) }) {
		t.Errorf("All() yields %+v, want six in order", got)
	}
	for range all.All() {
		break // Stopping early must not go on yielding, which would panic.
	}
	for _, c := range changes {
		if got, ok := all.Get(c.ID); !ok || got != c.Row {
			t.Errorf("Get(%d) = %+v, %v; want %+v", c.ID, got, ok, c.Row)
		}
	}
	if n := all.shown.Len(); n != 2 {
		t.Errorf("%d sites are shown, want 2", n)
	}
}

// A read decodes each row into the one before it, of which nothing may be left.
func TestDecodingLeavesNothingOfTheRowBefore(t *testing.T) {
	const at = "2026-11-23 19:10:05"
	leavesNothing(t, sitesTable, "7", "a.example", "Europe/Tallinn", at, "3", "t")
	leavesNothing(t, goalsTable, "7", "3", "Signup", "/thanks", "Thanks", "50", `{"plan": "pro"}`, at, at)
	leavesNothing(t, notificationsTable, "7", "3", "10", "drop")
	leavesNothing(t, webhooksTable, "7", "3", "Chat", "slack", "t", "gone", "environment", at, at)
	leavesNothing(t, triggersTable, "7", "3", "traffic.spike", "5", "10", "300", "60", "t", "t", "t", at, at)
}

func leavesNothing[R any](t *testing.T, of *table[R], texts ...string) {
	t.Helper()
	if len(texts) != len(of.columns) {
		t.Fatalf("%s has %d columns, got %d texts", of.qualified(), len(of.columns), len(texts))
	}
	full, empty := tuple{}, tuple{values: make([][]byte, len(texts))}
	everywhere, nowhere := make([]int, len(texts)), make([]int, len(texts))
	for i, text := range texts {
		full.values = append(full.values, []byte(text))
		everywhere[i], nowhere[i] = i, -1
	}
	empty.values[0], nowhere[0] = []byte("8"), 0
	for what, located := range map[string][]int{"null": everywhere, "absent": nowhere} {
		var used, fresh R
		for _, step := range []struct {
			located []int
			from    tuple
			row     *R
		}{{everywhere, full, &used}, {located, empty, &used}, {located, empty, &fresh}} {
			if err := of.decode(step.located, step.from, step.row, false); err != nil {
				t.Fatal(err)
			}
		}
		if !of.equal(used, fresh) {
			t.Errorf("%s, the others %s: got %+v, want %+v", of.qualified(), what, used, fresh)
		}
	}
}

// Rows of one table repeat few texts, and a large installation has hundreds of
// thousands of rows to read before it is ready.
func TestTextsThatRepeatTakeNoMemory(t *testing.T) {
	of := triggersTable
	var from tuple
	var located []int
	for i, text := range []string{"7", "3", "traffic.spike", "5", "10", "300", "", "t", "f", "t", "2026-11-23 19:10:05.123456+00", "2026-11-23 19:10:05"} {
		from.values, located = append(from.values, []byte(text)), append(located, i)
	}
	from.values[6] = nil
	var row config.Trigger
	if allocations := testing.AllocsPerRun(100, func() {
		if err := of.decode(located, from, &row, false); err != nil {
			t.Error(err)
		}
	}); allocations > 0 {
		t.Errorf("a row like the one before it takes %v allocations, want none", allocations)
	}
}
