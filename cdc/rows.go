package cdc

import "maps"

// rows is one table of a mirror: its rows as of the last commit, and what the
// transaction in progress has done to them. The committed map is never written
// to, because views share it: a commit that changes something replaces it.
type rows[R any] struct {
	table   *table[R]
	located []int // Where our columns stand; nil until the first description.

	committed map[int64]R
	pending   map[int64]*R // By key; nil: deleted.
	emptied   bool         // Truncated in this transaction; pending is what came after.

	// touched notes the keys that commits have written while a read for
	// comparison is under way; nil: no such read.
	touched    map[int64]struct{}
	touchedAll bool
}

func newRows[R any](t *table[R]) *rows[R] {
	return &rows[R]{table: t, committed: map[int64]R{}, pending: map[int64]*R{}}
}

// tableRows is what the decoder of the stream needs of rows of any type.
type tableRows interface {
	describe(columns []string) (reshaped bool, err error)
	selectFrom(existing []string) (query string, names []string, err error)
	qualified() string
	load(tuple) error
	insert(tuple) error
	update(key, row tuple) error
	remove(tuple) error
	truncate()
	discard()
	commit() bool
	startNoting()
	stopNoting()
}

func (r *rows[R]) qualified() string { return r.table.qualified() }

func (r *rows[R]) selectFrom(existing []string) (string, []string, error) {
	return r.table.selectFrom(existing)
}

// describe takes the present columns of the table. It tells whether one that
// we keep has come or gone since the last description: rows change by that
// without any message about them.
func (r *rows[R]) describe(columns []string) (reshaped bool, err error) {
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

// load takes a row of a full read; the mirror is not in use yet.
func (r *rows[R]) load(from tuple) error {
	row, err := r.table.decode(r.located, from, nil)
	if err != nil {
		return err
	}
	r.committed[r.table.id(row)] = row
	return nil
}

// present finds a row as the transaction in progress sees it.
func (r *rows[R]) present(id int64) *R {
	if row, ok := r.pending[id]; ok {
		return row
	}
	if r.emptied {
		return nil
	}
	if row, ok := r.committed[id]; ok {
		return &row
	}
	return nil
}

func (r *rows[R]) insert(from tuple) error {
	row, err := r.table.decode(r.located, from, nil)
	if err != nil {
		return err
	}
	r.pending[r.table.id(row)] = &row
	return nil
}

// update replaces a row. The key is given (its values are not nil) only where
// the primary key changed: then values that were left out are those of the row
// under the old key. Nothing but the key is ever read from it, for the other
// columns of a key tuple look like null and are not.
func (r *rows[R]) update(key, from tuple) error {
	old := key
	if old.values == nil {
		old = from
	}
	oldID, err := r.table.key(r.located, old)
	if err != nil {
		return err
	}
	row, err := r.table.decode(r.located, from, r.present(oldID))
	if err != nil {
		return err
	}
	if id := r.table.id(row); id != oldID {
		r.pending[oldID] = nil
	}
	r.pending[r.table.id(row)] = &row
	return nil
}

// remove deletes by key; a row that we do not know is no loss.
func (r *rows[R]) remove(key tuple) error {
	id, err := r.table.key(r.located, key)
	if err != nil {
		return err
	}
	r.pending[id] = nil
	return nil
}

func (r *rows[R]) truncate() {
	clear(r.pending)
	r.emptied = true
}

func (r *rows[R]) discard() {
	clear(r.pending)
	r.emptied = false
}

// commit makes the transaction's changes the committed state and tells whether
// anything that we keep has changed: an update of spike_notifications.last_sent
// is nothing.
func (r *rows[R]) commit() bool {
	defer r.discard()
	r.note()
	if r.emptied {
		next := make(map[int64]R, len(r.pending))
		r.writeTo(next)
		changed := !maps.EqualFunc(next, r.committed, r.table.equal)
		r.committed = next
		return changed
	}
	changed := false
	for id, row := range r.pending {
		old, known := r.committed[id]
		if known != (row != nil) || row != nil && !r.table.equal(old, *row) {
			changed = true
			break
		}
	}
	if changed {
		next := maps.Clone(r.committed)
		r.writeTo(next)
		r.committed = next
	}
	return changed
}

func (r *rows[R]) writeTo(next map[int64]R) {
	for id, row := range r.pending {
		if row == nil {
			delete(next, id)
		} else {
			next[id] = *row
		}
	}
}

func (r *rows[R]) note() {
	if r.touched == nil {
		return
	}
	r.touchedAll = r.touchedAll || r.emptied
	for id := range r.pending {
		r.touched[id] = struct{}{}
	}
}

func (r *rows[R]) startNoting() { r.touched, r.touchedAll = map[int64]struct{}{}, false }

func (r *rows[R]) stopNoting() { r.touched, r.touchedAll = nil, false }

// Difference counts in how many rows of a table two states differ.
type Difference struct {
	Table                   string
	Added, Changed, Removed int
}

func (d Difference) any() bool { return d.Added+d.Changed+d.Removed > 0 }

// differFrom compares the rows with an older state, leaving out the keys that
// the older state has been told of since.
func differFrom[R any](newer map[int64]R, older *rows[R]) Difference {
	d := Difference{Table: older.table.qualified()}
	if older.touchedAll {
		return d
	}
	for id, row := range newer {
		if _, skip := older.touched[id]; skip {
			continue
		}
		if was, ok := older.committed[id]; !ok {
			d.Added++
		} else if !older.table.equal(was, row) {
			d.Changed++
		}
	}
	for id := range older.committed {
		if _, skip := older.touched[id]; skip {
			continue
		}
		if _, ok := newer[id]; !ok {
			d.Removed++
		}
	}
	return d
}
