package cdc

import (
	"iter"
	"maps"
	"slices"

	"plausible-webhooks/config"
)

// version is an immutable state V of a table with rows R. If it is == another
// one, they have the same rows.
type version[R, V any] interface {
	comparable
	Get(id int64) (R, bool)
	All() iter.Seq[R] // In order of id.
	ChangedSince(before V) iter.Seq[R]
	With(changes []config.Change[R]) V
}

// rows is one table of a mirror: its rows as of the last commit, and what the
// transaction in progress has done to them.
type rows[R any, V version[R, V]] struct {
	table   *table[R]
	located []int // Where our columns stand; nil until the first description.

	committed V
	pending   map[int64]*R // By key; nil: deleted.
	emptied   bool         // Truncated in this transaction; pending is what came after.
	reading   *reading[R, V]

	// touched notes the keys that commits have written while a read for
	// comparison is under way; nil: no such read.
	touched    map[int64]struct{}
	touchedAll bool
}

func newRows[R any, V version[R, V]](t *table[R], committed V) *rows[R, V] {
	return &rows[R, V]{table: t, committed: committed, pending: map[int64]*R{}}
}

// tableRows is what reads and the decoder of the stream need of rows of any
// type.
type tableRows interface {
	describe(columns []string) (reshaped bool, err error)
	selectFrom(existing []string) (query string, names []string, err error)
	qualified() string
	beginRead()
	load(tuple) error
	endRead()
	abandonRead()
	insert(tuple) error
	update(key, row tuple) error
	remove(tuple) error
	truncate()
	discard()
	commit()
	startNoting()
	stopNoting()
}

func (r *rows[R, V]) qualified() string { return r.table.qualified() }

func (r *rows[R, V]) selectFrom(existing []string) (string, []string, error) {
	return r.table.selectFrom(existing)
}

// describe takes the present columns of the table. It tells whether one that
// we keep has come or gone since the last description: rows change by that
// without any message about them.
func (r *rows[R, V]) describe(columns []string) (reshaped bool, err error) {
	located, err := r.table.locate(columns)
	if err != nil {
		return false, err
	}
	for i, at := range located {
		if r.located != nil && (at < 0) != (r.located[i] < 0) {
			reshaped = true
		}
	}
	r.located = located
	return reshaped, nil
}

// present finds a row as the transaction in progress sees it.
func (r *rows[R, V]) present(id int64) *R {
	if row, ok := r.pending[id]; ok {
		return row
	}
	if r.emptied {
		return nil
	}
	if row, ok := r.committed.Get(id); ok {
		return &row
	}
	return nil
}

func (r *rows[R, V]) insert(from tuple) error {
	row := new(R)
	if err := r.table.decode(r.located, from, row, false); err != nil {
		return err
	}
	r.pending[r.table.id(*row)] = row
	return nil
}

// update replaces a row. The key is given (its values are not nil) only where
// the primary key changed: then values that were left out are those of the row
// under the old key. Nothing but the key is ever read from it, for the other
// columns of a key tuple look like null and are not.
func (r *rows[R, V]) update(key, from tuple) error {
	old := key
	if old.values == nil {
		old = from
	}
	oldID, err := r.table.key(r.located, old)
	if err != nil {
		return err
	}
	row := new(R)
	known := r.present(oldID)
	if known != nil {
		*row = *known
	}
	if err := r.table.decode(r.located, from, row, known != nil); err != nil {
		return err
	}
	if id := r.table.id(*row); id != oldID {
		r.pending[oldID] = nil
	}
	r.pending[r.table.id(*row)] = row
	return nil
}

// remove deletes by key; a row that we do not know is no loss.
func (r *rows[R, V]) remove(key tuple) error {
	id, err := r.table.key(r.located, key)
	if err != nil {
		return err
	}
	r.pending[id] = nil
	return nil
}

func (r *rows[R, V]) truncate() {
	r.discard()
	r.emptied = true
}

// discard forgets what the transaction did. The map is replaced, for one that
// has been large stays so.
func (r *rows[R, V]) discard() {
	r.emptied = false
	if len(r.pending) > 0 {
		r.pending = map[int64]*R{}
	}
}

// commit makes the transaction's changes the committed state. That stays the
// same version if nothing that we keep has changed: an update of
// spike_notifications.last_sent is nothing.
func (r *rows[R, V]) commit() {
	r.note()
	next := &changing[R, V]{version: r.committed}
	if r.emptied {
		for row := range r.committed.All() {
			if id := r.table.id(row); r.pending[id] == nil {
				next.change(config.Change[R]{ID: id, Gone: true})
			}
		}
		next.apply()
	}
	for _, id := range slices.Sorted(maps.Keys(r.pending)) {
		if row := r.pending[id]; row != nil {
			next.change(config.Change[R]{ID: id, Row: *row})
		} else {
			next.change(config.Change[R]{ID: id, Gone: true})
		}
	}
	r.committed = next.apply()
	r.discard()
}

func (r *rows[R, V]) note() {
	if r.touched == nil {
		return
	}
	r.touchedAll = r.touchedAll || r.emptied
	for id := range r.pending {
		r.touched[id] = struct{}{}
	}
}

func (r *rows[R, V]) startNoting() { r.touched, r.touchedAll = map[int64]struct{}{}, false }

func (r *rows[R, V]) stopNoting() { r.touched, r.touchedAll = nil, false }

// Difference counts in how many rows of a table two states differ.
type Difference struct {
	Table                   string
	Added, Changed, Removed int
}

func (d Difference) any() bool { return d.Added+d.Changed+d.Removed > 0 }

// differFrom compares a version with an older state, leaving out the keys that
// the older state has been told of since.
func differFrom[R any, V version[R, V]](newer V, older *rows[R, V]) Difference {
	d := Difference{Table: older.table.qualified()}
	if older.touchedAll {
		return d
	}
	for row := range newer.ChangedSince(older.committed) {
		id := older.table.id(row)
		if _, skip := older.touched[id]; skip {
			continue
		}
		if _, known := older.committed.Get(id); known {
			d.Changed++
		} else {
			d.Added++
		}
	}
	for row := range older.committed.ChangedSince(newer) {
		id := older.table.id(row)
		if _, skip := older.touched[id]; skip {
			continue
		}
		if _, still := newer.Get(id); !still {
			d.Removed++
		}
	}
	return d
}
