package cdc

import (
	"fmt"
	"strings"
)

// table describes how rows of one table become values of type R. Rows arrive
// as text in both ways, from a SELECT and from the stream, and are decoded by
// the same functions. Columns are found by name, each time: a migration of
// Plausible drops and adds them while we listen.
type table[R any] struct {
	schema, name string
	columns      []column[R] // The first one is the primary key.
	id           func(R) int64
	equal        func(a, b R) bool
	finish       func(*R) // Optional: fills what depends on several columns.
}

// column is a column that we keep. Those not listed are dropped on receipt.
type column[R any] struct {
	name     string
	required bool
	absent   []byte // What an absent optional column counts as, as text; nil: null.
	set      func(*R, []byte) error
}

// required declares a column without which the table makes no sense to us.
func required[R any](name string, set func(*R, []byte) error) column[R] {
	return column[R]{name: name, required: true, set: set}
}

// optional declares a column that some version of Plausible does not have.
func optional[R any](name, absent string, set func(*R, []byte) error) column[R] {
	return column[R]{name: name, absent: []byte(absent), set: set}
}

// nullable declares an optional column that counts as null where it is absent.
func nullable[R any](name string, set func(*R, []byte) error) column[R] {
	return column[R]{name: name, set: set}
}

// qualified is the name as it stands in SQL. All parts are plain lower case.
func (t *table[R]) qualified() string { return t.schema + "." + t.name }

// locate finds our columns among the names of a relation or a result: the
// position of each, or -1 for an optional one that is absent.
func (t *table[R]) locate(names []string) ([]int, error) {
	position := make(map[string]int, len(names))
	for i, name := range names {
		position[name] = i
	}
	located := make([]int, len(t.columns))
	for i, c := range t.columns {
		at, ok := position[c.name]
		switch {
		case ok:
			located[i] = at
		case c.required:
			return nil, &SchemaError{Table: t.qualified(), Column: c.name}
		default:
			located[i] = -1
		}
	}
	return located, nil
}

// selectFrom is the query that yields our columns among the existing ones, in
// an order that locate accepts together with the returned names. The rows come
// in order of the primary key, which is held against what is known in that
// order.
func (t *table[R]) selectFrom(existing []string) (query string, names []string, err error) {
	located, err := t.locate(existing)
	if err != nil {
		return "", nil, err
	}
	for i, at := range located {
		if at >= 0 {
			names = append(names, t.columns[i].name)
		}
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = `"` + name + `"` // Two of our names are key words: format and repeat.
	}
	return "SELECT " + strings.Join(quoted, ", ") + " FROM " + t.qualified() + " ORDER BY " + quoted[0], names, nil
}

// tuple is one row as text. A nil value is null.
type tuple struct {
	values    [][]byte
	unchanged []bool // Set where a large value was left out because it did not change; may be nil.
}

// decode fills a row from its text. A row that is known comes as it is known:
// values that the stream left out stay in it. Of any other every column is
// filled, whatever was in it, so that reads decode one row after the other into
// the same one: it is on the heap, and a text that is the same again takes no
// new memory.
func (t *table[R]) decode(located []int, from tuple, row *R, known bool) error {
	for i, c := range t.columns {
		value := c.absent
		if at := located[i]; at >= 0 {
			if at >= len(from.values) {
				return fmt.Errorf("read a row of %s: it has %d values, and column %s is number %d", t.qualified(), len(from.values), c.name, at+1)
			}
			if from.unchanged != nil && from.unchanged[at] {
				if !known {
					return fmt.Errorf("read a row of %s: column %s was left out of an unknown row: %w", t.qualified(), c.name, errDesync)
				}
				continue
			}
			value = from.values[at]
		}
		if err := c.set(row, value); err != nil {
			return fmt.Errorf("read column %s of %s: %w", c.name, t.qualified(), err)
		}
	}
	if t.finish != nil {
		t.finish(row)
	}
	return nil
}

// key reads the primary key alone, for deletes and changed keys: nothing else
// is in their tuples.
func (t *table[R]) key(located []int, from tuple) (int64, error) {
	at := located[0]
	if at >= len(from.values) || from.values[at] == nil {
		return 0, fmt.Errorf("read a key of %s: column %s is not in it: %w", t.qualified(), t.columns[0].name, errDesync)
	}
	id, err := parseInt(from.values[at])
	if err != nil {
		return 0, fmt.Errorf("read column %s of %s: %w", t.columns[0].name, t.qualified(), err)
	}
	return id, nil
}
