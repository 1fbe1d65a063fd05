package cdc

import (
	"fmt"
	"testing"

	"github.com/jackc/pglogrepl"

	"plausible-webhooks/config"
)

// relationOf describes a table as the server would. A column with a star in
// front is the key.
func relationOf(id uint32, schema, name string, columns ...string) *pglogrepl.RelationMessage {
	m := &pglogrepl.RelationMessage{RelationID: id, Namespace: schema, RelationName: name, ColumnNum: uint16(len(columns))}
	for _, c := range columns {
		m.Columns = append(m.Columns, &pglogrepl.RelationMessageColumn{Name: c})
	}
	return m
}

type unchangedValue struct{}

// unchanged stands for a large value that the server leaves out.
var unchanged unchangedValue

// values makes a tuple: nil is null, everything else its text.
func values(of ...any) *pglogrepl.TupleData {
	t := &pglogrepl.TupleData{ColumnNum: uint16(len(of))}
	for _, v := range of {
		c := &pglogrepl.TupleDataColumn{DataType: pglogrepl.TupleDataTypeText}
		switch v := v.(type) {
		case nil:
			c.DataType = pglogrepl.TupleDataTypeNull
		case unchangedValue:
			c.DataType = pglogrepl.TupleDataTypeToast
		default:
			c.Data = []byte(fmt.Sprint(v))
		}
		t.Columns = append(t.Columns, c)
	}
	return t
}

func insertInto(relation uint32, of ...any) pglogrepl.Message {
	return &pglogrepl.InsertMessage{RelationID: relation, Tuple: values(of...)}
}

func updateOf(relation uint32, of ...any) pglogrepl.Message {
	return &pglogrepl.UpdateMessage{RelationID: relation, NewTuple: values(of...)}
}

func updateOfKey(relation uint32, key, row *pglogrepl.TupleData) pglogrepl.Message {
	return &pglogrepl.UpdateMessage{RelationID: relation, OldTupleType: pglogrepl.UpdateMessageTupleTypeKey, OldTuple: key, NewTuple: row}
}

func deleteFrom(relation uint32, key ...any) pglogrepl.Message {
	return &pglogrepl.DeleteMessage{RelationID: relation, OldTupleType: pglogrepl.DeleteMessageTupleTypeKey, OldTuple: values(key...)}
}

func truncateOf(relations ...uint32) pglogrepl.Message {
	return &pglogrepl.TruncateMessage{RelationNum: uint32(len(relations)), RelationIDs: relations}
}

// transaction wraps messages in begin and commit.
func transaction(messages ...pglogrepl.Message) []pglogrepl.Message {
	whole := []pglogrepl.Message{&pglogrepl.BeginMessage{}}
	whole = append(whole, messages...)
	return append(whole, &pglogrepl.CommitMessage{})
}

// applyAll feeds messages and returns the last effect.
func applyAll(t *testing.T, s *stream, messages ...pglogrepl.Message) effect {
	t.Helper()
	var last effect
	for i, m := range messages {
		done, err := s.apply(m)
		if err != nil {
			t.Fatalf("message %d (%T): %v", i, m, err)
		}
		last = done
	}
	return last
}

// changedBy feeds messages that end a transaction, and names the tables that
// it changed.
func changedBy(t *testing.T, s *stream, messages ...pglogrepl.Message) []string {
	t.Helper()
	was := s.mirror.state()
	if done := applyAll(t, s, messages...); !done.committed {
		t.Fatal("no transaction ended")
	}
	return changedTables(was.State, s.mirror.state().State)
}

// goal is a goal of the mirror, empty if there is none.
func goal(s *stream, id int64) config.Goal {
	g, _ := s.mirror.goals.committed.Get(id)
	return g
}

const (
	sitesID, goalsID, notificationsID, otherID = 11, 12, 13, 99
)

var (
	describeSites = relationOf(sitesID, "public", "sites", "id", "domain", "timezone", "team_id", "consolidated", "native_stats_start_at")
	describeGoals = relationOf(goalsID, "public", "goals", "id", "site_id", "event_name", "page_path", "display_name", "scroll_threshold", "custom_props")
	describeSpike = relationOf(notificationsID, "public", "spike_notifications", "id", "site_id", "threshold", "last_sent", "recipients", "type")
)

// streamWith is a stream over an empty mirror whose tables are described.
func streamWith(t *testing.T) *stream {
	t.Helper()
	s := newStream(newMirror(emptyState()))
	applyAll(t, s, describeSites, describeGoals, describeSpike)
	return s
}
