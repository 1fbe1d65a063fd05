package cdc

import (
	"fmt"
	"iter"
	"slices"

	"plausible-webhooks/config"
)

// reading is a full read of one table, row by row, as the difference from the
// version that is known. Rows that are still the same are not kept, so that a
// read holds no second copy of the table, and what it leaves shares with the
// known version all that has not changed.
type reading[R any, V version[R, V]] struct {
	next  func() (R, bool) // The known rows, in order of id.
	stop  func()
	known R
	more  bool // There is a known row that the read has not reached.

	row   R // The last row read, into which the next one is decoded.
	begun bool
	found changing[R, V]
}

// beginRead begins a read, which ends with endRead or abandonRead. The mirror
// is not in use yet.
func (r *rows[R, V]) beginRead() {
	r.reading = &reading[R, V]{found: changing[R, V]{version: r.committed}}
	r.reading.next, r.reading.stop = iter.Pull(r.committed.All())
	r.reading.known, r.reading.more = r.reading.next()
}

// load takes the next row of a read. Rows come in order of id.
func (r *rows[R, V]) load(from tuple) error {
	now := r.reading
	last := r.table.id(now.row)
	if err := r.table.decode(r.located, from, &now.row, false); err != nil {
		return err
	}
	id := r.table.id(now.row)
	if now.begun && id <= last {
		return fmt.Errorf("read a row of %s: id %d comes behind %d", r.qualified(), id, last)
	}
	now.begun = true
	r.passOver(func(known int64) bool { return known < id })
	if now.more && r.table.id(now.known) == id {
		same := r.table.equal(now.known, now.row)
		now.known, now.more = now.next()
		if same {
			return nil
		}
	}
	now.found.change(config.Change[R]{ID: id, Row: now.row})
	return nil
}

// passOver notes that known rows are gone, as far as a condition holds.
func (r *rows[R, V]) passOver(while func(known int64) bool) {
	for now := r.reading; now.more; now.known, now.more = now.next() {
		id := r.table.id(now.known)
		if !while(id) {
			return
		}
		now.found.change(config.Change[R]{ID: id, Gone: true})
	}
}

// endRead makes what was read the committed state.
func (r *rows[R, V]) endRead() {
	r.passOver(func(int64) bool { return true })
	r.committed = r.reading.found.apply()
	r.abandonRead()
}

// abandonRead ends a read and leaves the committed state as it is.
func (r *rows[R, V]) abandonRead() {
	if r.reading != nil {
		r.reading.stop()
		r.reading = nil
	}
}

// Changes are applied to a version as soon as there are so many: as rows they
// take several times the memory that they take in it. To apply them takes time,
// so that it is done less often the more there have been.
const (
	fewestChanges = 4096
	mostChanges   = 8 * fewestChanges
)

// changing is a version that takes changes, in order of id.
type changing[R any, V version[R, V]] struct {
	version V
	changes []config.Change[R]
	applied int // How many changes the version has taken.
}

func (c *changing[R, V]) change(to config.Change[R]) {
	if n := len(c.changes); n == cap(c.changes) && n >= fewestChanges {
		// There are many: all the room that can be needed, instead of half of
		// it, and then the other half, for the garbage collector to clear away.
		c.changes = slices.Grow(c.changes, mostChanges-n)
	}
	c.changes = append(c.changes, to)
	if len(c.changes) >= min(max(c.applied/4, fewestChanges), mostChanges) {
		c.apply()
	}
}

// apply returns the version with all changes so far.
func (c *changing[R, V]) apply() V {
	if len(c.changes) > 0 {
		c.version = c.version.With(c.changes)
		c.applied += len(c.changes)
		clear(c.changes) // Their strings are not to be held any longer.
		c.changes = c.changes[:0]
	}
	return c.version
}
