package cdc

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pglogrepl"
	"pgregory.net/rapid"

	"plausible-webhooks/config"
)

// database is the model that the stream is held against: what a full read of
// the server would return.
type database struct {
	sites, goals map[int64][]any // In the order of the described columns.
}

func (d *database) copy() *database {
	next := &database{sites: map[int64][]any{}, goals: map[int64][]any{}}
	for id, row := range d.sites {
		next.sites[id] = row
	}
	for id, row := range d.goals {
		next.goals[id] = row
	}
	return next
}

// fullRead reads the model as load.go would, beginning from a known state.
func (d *database) fullRead(t *rapid.T, known state) *mirror {
	m := newMirror(known)
	for _, part := range []struct {
		rows     tableRows
		describe *pglogrepl.RelationMessage
		content  map[int64][]any
	}{{m.sites, describeSites, d.sites}, {m.goals, describeGoals, d.goals}} {
		var names []string
		for _, c := range part.describe.Columns {
			names = append(names, c.Name)
		}
		if _, err := part.rows.describe(names); err != nil {
			t.Fatal(err)
		}
		part.rows.beginRead()
		for _, id := range slices.Sorted(maps.Keys(part.content)) {
			var from tuple
			for _, v := range part.content[id] {
				var text []byte
				if v != nil {
					text = []byte(fmt.Sprint(v))
				}
				from.values = append(from.values, text)
			}
			if err := part.rows.load(from); err != nil {
				t.Fatal(err)
			}
		}
		part.rows.endRead()
	}
	return m
}

// randomChange changes the model and returns what the server would send for it.
func randomChange(t *rapid.T, d *database) (pglogrepl.Message, bool) {
	id := int64(rapid.IntRange(1, 5).Draw(t, "id"))
	onSites := rapid.Bool().Draw(t, "on sites")
	relation, content := uint32(goalsID), d.goals
	row := []any{id, rapid.IntRange(1, 5).Draw(t, "site"), "Signup", nil, rapid.SampledFrom([]string{"A", "B"}).Draw(t, "name"), -1, rapid.SampledFrom([]string{`{}`, `{"plan": "pro"}`, `{"plan": "free"}`}).Draw(t, "props")}
	large := 6 // The column that may be left out of an update.
	if onSites {
		relation, content = sitesID, d.sites
		row = []any{id, rapid.SampledFrom([]string{"a.example", "b.example"}).Draw(t, "domain"), "Etc/UTC", nil, rapid.SampledFrom([]string{"t", "f"}).Draw(t, "consolidated"), nil}
		large = 1
	}
	old, exists := content[id]
	switch operation := rapid.IntRange(0, 9).Draw(t, "operation"); {
	case operation == 0:
		clear(content)
		return truncateOf(relation), true
	case operation <= 2 && exists:
		delete(content, id)
		key := make([]any, len(row))
		key[0] = id
		return deleteFrom(relation, key...), true
	case operation <= 4 && exists:
		to := int64(rapid.IntRange(6, 9).Draw(t, "new id"))
		if _, taken := content[to]; taken {
			return nil, false
		}
		sent := append([]any{}, row...)
		sent[0], row[0] = to, to
		sent[large], row[large] = unchanged, old[large]
		delete(content, id)
		content[to] = row
		key := make([]any, len(row))
		key[0] = id
		return updateOfKey(relation, values(key...), values(sent...)), true
	case exists:
		sent := append([]any{}, row...)
		if rapid.Bool().Draw(t, "left out") {
			sent[large], row[large] = unchanged, old[large]
		}
		content[id] = row
		return updateOf(relation, sent...), true
	default:
		content[id] = row
		return insertInto(relation, row...), true
	}
}

// The view after any transactions must be the one that a full read gives, and
// the tables reported as changed must be exactly those that differ.
func TestStreamEqualsFullRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		committed := &database{sites: map[int64][]any{}, goals: map[int64][]any{}}
		s := newStream(committed.fullRead(t, emptyState()))
		for _, m := range []pglogrepl.Message{describeSites, describeGoals} {
			if _, err := s.apply(m); err != nil {
				t.Fatal(err)
			}
		}
		for range rapid.IntRange(1, 8).Draw(t, "transactions") {
			next := committed.copy()
			var messages []pglogrepl.Message
			for range rapid.IntRange(1, 8).Draw(t, "changes") {
				if m, ok := randomChange(t, next); ok {
					messages = append(messages, m)
				}
			}
			before := s.mirror.state()
			for _, m := range transaction(messages...) {
				if _, err := s.apply(m); err != nil {
					t.Fatal(err)
				}
			}
			committed = next
			now := s.mirror.state()
			want := committed.fullRead(t, emptyState())
			if diff := cmp.Diff(rowsOf(want.state().Sites), rowsOf(now.Sites)); diff != "" {
				t.Fatalf("sites differ from a full read (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(rowsOf(want.state().pseudo), rowsOf(now.pseudo)); diff != "" {
				t.Fatalf("pseudo-sites differ from a full read (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(rowsOf(want.state().Goals), rowsOf(now.Goals)); diff != "" {
				t.Fatalf("goals differ from a full read (-want +got):\n%s", diff)
			}
			if found := want.differencesFrom(s.mirror); len(found) > 0 {
				t.Fatalf("a comparison finds %+v", found)
			}
			if same := committed.fullRead(t, now).state(); same != now {
				t.Fatal("a read that begins from the same state changes it")
			}
			if got := committed.fullRead(t, before).state(); cmp.Diff(rowsOf(now.Sites), rowsOf(got.Sites)) != "" ||
				cmp.Diff(rowsOf(now.pseudo), rowsOf(got.pseudo)) != "" || cmp.Diff(rowsOf(now.Goals), rowsOf(got.Goals)) != "" {
				t.Fatal("a read that begins from the state before differs from the stream")
			}
			if before.Sites != now.Sites && cmp.Equal(rowsOf(before.Sites), rowsOf(now.Sites)) {
				t.Fatal("the sites count as changed and are the same")
			}
			if before.Goals != now.Goals && cmp.Equal(rowsOf(before.Goals), rowsOf(now.Goals)) {
				t.Fatal("the goals count as changed and are the same")
			}
		}
	})
}

func rowsOf[R any](table *config.Table[R]) []R { return slices.Collect(table.All()) }

func TestComparisonLeavesOutWhatWasTouchedMeanwhile(t *testing.T) {
	s := streamWith(t)
	applyAll(t, s, transaction(
		insertInto(goalsID, 1, 1, "A", nil, "A", -1, "{}"),
		insertInto(goalsID, 2, 1, "B", nil, "B", -1, "{}"))...)
	found := emptyState()
	found.Goals = config.Tables{Goals: map[int64]config.Goal{1: goal(s, 1), 3: {ID: 3}}}.State().Goals
	fresh := newMirror(found)

	want := []Difference{{Table: "public.goals", Added: 1, Removed: 1}}
	if got := fresh.differencesFrom(s.mirror); !cmp.Equal(got, want) {
		t.Errorf("differences are %+v, want %+v", got, want)
	}
	s.mirror.goals.startNoting()
	applyAll(t, s, transaction(
		updateOf(goalsID, 1, 1, "A", nil, "renamed later", -1, "{}"),
		updateOf(goalsID, 2, 1, "B", nil, "renamed later", -1, "{}"),
		insertInto(goalsID, 3, 1, "C", nil, "C", -1, "{}"),
		insertInto(goalsID, 4, 1, "D", nil, "D", -1, "{}"))...)
	if got := fresh.differencesFrom(s.mirror); len(got) > 0 {
		t.Errorf("rows touched since count as differences: %+v", got)
	}
	s.mirror.goals.stopNoting()
	if got := fresh.differencesFrom(s.mirror); len(got) == 0 {
		t.Error("touched rows are left out for ever")
	}
	s.mirror.goals.startNoting()
	applyAll(t, s, transaction(truncateOf(goalsID))...)
	if got := fresh.differencesFrom(s.mirror); len(got) > 0 {
		t.Errorf("a table emptied since counts as different: %+v", got)
	}
}

func TestPositionBehindAPageHeader(t *testing.T) {
	for in, want := range map[pglogrepl.LSN]pglogrepl.LSN{
		8192:      8192,
		8192 + 24: 8192,
		8192 + 40: 8192,
		8192 + 48: 8192 + 48,
		16384 - 8: 16384 - 8,
	} {
		if got := beforePageHeader(in, 8192); got != want {
			t.Errorf("beforePageHeader(%d) = %d, want %d", in, got, want)
		}
	}
}
