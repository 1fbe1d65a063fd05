package config

import (
	"iter"
	"math"
	"slices"
)

// Table is the rows of one table, by id. It is immutable and may be shared
// without locks. A change makes another table that shares with the first what
// is still the same, so that it costs what it touches. Rows are handed out as
// copies; what they point to is read-only. Times are handed out in UTC.
type Table[R any] struct {
	rows   *sequence[R]
	owners *sequence[link] // Nil where rows have no owner.
}

// Change says what a row becomes.
type Change[R any] struct {
	ID   int64
	Row  R    // Meaningless if Gone.
	Gone bool // The row is deleted. It need not have been there.
}

func newTable[R any](l *layout[R]) *Table[R] {
	t := &Table[R]{rows: &sequence[R]{layout: l}}
	if l.owner != nil {
		t.owners = &sequence[link]{layout: linkLayout}
	}
	return t
}

// Len is the number of rows.
func (t *Table[R]) Len() int { return t.rows.count }

// Get returns a row by its id.
func (t *Table[R]) Get(id int64) (R, bool) { return t.rows.get(key{id: id}) }

// All yields every row, in order of id.
func (t *Table[R]) All() iter.Seq[R] { return t.rows.all() }

// ChangedSince yields the rows that are absent or different in another table,
// in order of id. It costs little where the tables share most of their rows.
func (t *Table[R]) ChangedSince(before *Table[R]) iter.Seq[R] {
	return t.rows.changedSince(before.rows)
}

// of returns the rows of an owner, in order of id.
func (t *Table[R]) of(owner int64) []R {
	count := 0
	for l := range t.owners.from(key{owner, math.MinInt64}) {
		if l.owner != owner {
			break
		}
		count++
	}
	if count == 0 {
		return nil
	}
	rows := make([]R, 0, count)
	var near place // Rows of one owner often stand next to each other.
	for l := range t.owners.from(key{owner, math.MinInt64}) {
		if len(rows) == count {
			break
		}
		near, _ = t.rows.find(key{id: l.id}, near) // A link leads to a row.
		rows = append(rows, t.rows.row(near))
	}
	return rows
}

// With returns the table after changes, which are in order of id, one for each
// row. It returns t itself if they change nothing.
func (t *Table[R]) With(changes []Change[R]) *Table[R] {
	var moved []Change[link]
	rows := t.rows.with(changes, func(before, after *R) {
		if t.owners != nil {
			if moved == nil { // At once: few changes of rows move them, or nearly all do.
				moved = make([]Change[link], 0, len(changes))
			}
			moved = appendMove(moved, t.rows.layout, before, after)
		}
	})
	if rows == t.rows {
		return t
	}
	slices.SortFunc(moved, func(a, b Change[link]) int { return a.Row.compare(b.Row) })
	next := &Table[R]{rows: rows, owners: t.owners}
	if len(moved) > 0 {
		next.owners = t.owners.with(moved, func(_, _ *link) {})
	}
	return next
}

// appendMove adds what becomes of the link to a row.
func appendMove[R any](moved []Change[link], l *layout[R], before, after *R) []Change[link] {
	linkOf := func(row *R) link { return link{l.owner(*row), l.key(*row).id} }
	switch {
	case before != nil && after != nil && l.owner(*before) == l.owner(*after):
		return moved
	case before != nil:
		moved = append(moved, Change[link]{Row: linkOf(before), Gone: true})
	}
	if after != nil {
		moved = append(moved, Change[link]{Row: linkOf(after)})
	}
	return moved
}
