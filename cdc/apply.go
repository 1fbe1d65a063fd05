package cdc

import (
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
)

// stream applies the messages of one replication stream to a mirror. It is
// pure: no clock, no connection. Only committed transactions arrive (protocol
// version 1), in commit order, and each is applied as a whole at its end.
type stream struct {
	mirror    *mirror
	relations map[uint32]relation
	inside    bool // Between begin and commit.
}

// relation is what the server last said about a table.
type relation struct {
	rows    tableRows // Nil: published, but none of ours.
	columns int
}

// effect is what a message did.
type effect struct {
	committed bool          // A transaction ended.
	end       pglogrepl.LSN // The position after it.
	at        time.Time     // When it was committed, by the clock of the server.
	reshaped  bool          // A column that we keep came or went: rows may have changed silently.
}

func newStream(m *mirror) *stream {
	return &stream{mirror: m, relations: map[uint32]relation{}}
}

// apply takes the next message. After an error the stream is of no use any
// more; the mirror is as it was at the last commit.
func (s *stream) apply(message pglogrepl.Message) (effect, error) {
	switch m := message.(type) {
	case *pglogrepl.RelationMessage:
		return s.describe(m)
	case *pglogrepl.BeginMessage:
		if s.inside {
			return effect{}, fmt.Errorf("begin a transaction within another: %w", errDesync)
		}
		s.inside = true
		return effect{}, nil
	case *pglogrepl.CommitMessage:
		if !s.inside {
			return effect{}, fmt.Errorf("end a transaction that was not begun: %w", errDesync)
		}
		s.inside = false
		s.mirror.commit()
		return effect{committed: true, end: m.TransactionEndLSN, at: m.CommitTime}, nil
	case *pglogrepl.InsertMessage, *pglogrepl.UpdateMessage, *pglogrepl.DeleteMessage, *pglogrepl.TruncateMessage:
		if !s.inside {
			return effect{}, fmt.Errorf("change a row outside of a transaction: %w", errDesync)
		}
		if err := s.change(message); err != nil {
			s.mirror.discard()
			return effect{}, err
		}
		return effect{}, nil
	case *pglogrepl.TypeMessage, *pglogrepl.OriginMessage, *pglogrepl.LogicalDecodingMessage:
		return effect{}, nil
	}
	return effect{}, fmt.Errorf("understand a message of type %T: %w", message, errDesync)
}

// describe replaces what is known of a relation. The server says it again
// whenever it sees fit, after each change of the table at the latest.
func (s *stream) describe(m *pglogrepl.RelationMessage) (effect, error) {
	rows := s.mirror.find(m.Namespace, m.RelationName)
	s.relations[m.RelationID] = relation{rows: rows, columns: len(m.Columns)}
	if rows == nil {
		return effect{}, nil
	}
	names := make([]string, len(m.Columns))
	for i, c := range m.Columns {
		names[i] = c.Name
	}
	reshaped, err := rows.describe(names)
	return effect{reshaped: reshaped}, err
}

func (s *stream) change(message pglogrepl.Message) error {
	switch m := message.(type) {
	case *pglogrepl.InsertMessage:
		return s.rowChange(m.RelationID, nil, m.Tuple, func(t tableRows, _, row tuple) error { return t.insert(row) })
	case *pglogrepl.UpdateMessage:
		return s.rowChange(m.RelationID, m.OldTuple, m.NewTuple, tableRows.update)
	case *pglogrepl.DeleteMessage:
		return s.rowChange(m.RelationID, m.OldTuple, nil, func(t tableRows, key, _ tuple) error { return t.remove(key) })
	case *pglogrepl.TruncateMessage:
		for _, id := range m.RelationIDs {
			r, ok := s.relations[id]
			if !ok {
				return fmt.Errorf("empty a table that was not described: %w", errDesync)
			}
			if r.rows != nil {
				r.rows.truncate()
			}
		}
	}
	return nil
}

func (s *stream) rowChange(id uint32, key, row *pglogrepl.TupleData, do func(t tableRows, key, row tuple) error) error {
	r, ok := s.relations[id]
	if !ok {
		return fmt.Errorf("change a row of a table that was not described: %w", errDesync)
	}
	if r.rows == nil {
		return nil
	}
	keyTuple, err := r.tuple(key)
	if err != nil {
		return err
	}
	rowTuple, err := r.tuple(row)
	if err != nil {
		return err
	}
	return do(r.rows, keyTuple, rowTuple)
}

// tuple turns the stream's form of a row into ours. A tuple that is absent
// becomes one without values.
func (r relation) tuple(data *pglogrepl.TupleData) (tuple, error) {
	if data == nil {
		return tuple{}, nil
	}
	if len(data.Columns) != r.columns {
		return tuple{}, fmt.Errorf("read a row of %s: it has %d columns, its description %d: %w",
			r.rows.qualified(), len(data.Columns), r.columns, errDesync)
	}
	t := tuple{values: make([][]byte, r.columns)}
	for i, c := range data.Columns {
		switch c.DataType {
		case pglogrepl.TupleDataTypeNull:
		case pglogrepl.TupleDataTypeText:
			t.values[i] = c.Data
		case pglogrepl.TupleDataTypeToast:
			if t.unchanged == nil {
				t.unchanged = make([]bool, r.columns)
			}
			t.unchanged[i] = true
		default:
			return tuple{}, fmt.Errorf("read a row of %s: column %d is of the unknown kind %q: %w", r.rows.qualified(), i+1, c.DataType, errDesync)
		}
	}
	return t, nil
}
