package cdc

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pglogrepl"

	"plausible-webhooks/config"
)

func TestTransactionAppearsAsAWholeAtItsEnd(t *testing.T) {
	s := streamWith(t)
	whole := transaction(
		insertInto(sitesID, 1, "a.example", "Etc/UTC", 5, "f", nil),
		insertInto(goalsID, 2, 1, "Signup", nil, "Signup", -1, "{}"))
	applyAll(t, s, whole[:3]...)
	if n := len(s.mirror.visible); n != 0 {
		t.Fatalf("%d sites are visible before the commit", n)
	}
	done := applyAll(t, s, whole[3:]...)
	if !done.committed || len(done.changed.Sites) != 1 || len(done.changed.Goals) != 1 || done.changed.Webhooks != nil {
		t.Fatalf("the commit changed %+v", done.changed)
	}
	want := config.Site{ID: 1, Domain: "a.example", Timezone: "Etc/UTC", TeamID: 5}
	if got := done.changed.Sites[1]; got != want {
		t.Errorf("site is %+v, want %+v", got, want)
	}
}

func TestNothingWeKeepChanged(t *testing.T) {
	s := streamWith(t)
	applyAll(t, s, transaction(
		insertInto(notificationsID, 1, 1, 10, nil, "{}", "spike"),
		insertInto(sitesID, 1, "team", "Etc/UTC", 5, "t", nil))...)
	for name, m := range map[string]pglogrepl.Message{
		"last_sent":                   updateOf(notificationsID, 1, 1, 10, "2026-01-01 00:00:00", "{a@b}", "spike"),
		"a pseudo-site":               updateOf(sitesID, 1, "renamed", "Etc/UTC", 5, "t", nil),
		"delete of an unknown row":    deleteFrom(goalsID, 77, nil, nil, nil, nil, nil, nil),
		"a new pseudo-site":           insertInto(sitesID, 2, "team2", "Etc/UTC", 5, "t", nil),
		"truncate of an empty table":  truncateOf(goalsID),
		"a message of an unused kind": &pglogrepl.LogicalDecodingMessage{},
		"the origin of a transaction": &pglogrepl.OriginMessage{},
	} {
		before := s.mirror.notifications.committed
		if done := applyAll(t, s, transaction(m)...); !done.committed || !isEmpty(done.changed) {
			t.Errorf("%s: changed %+v, want nothing", name, done.changed)
		}
		if !cmp.Equal(before, s.mirror.notifications.committed) {
			t.Errorf("%s: the notifications changed", name)
		}
	}
}

func TestUnchangedLargeValuesAreKept(t *testing.T) {
	s := streamWith(t)
	applyAll(t, s, transaction(
		insertInto(sitesID, 1, "long.example", "Etc/UTC", 5, "t", nil),
		insertInto(goalsID, 2, 1, "Signup", nil, "Signup", -1, `{"plan": "pro"}`))...)

	done := applyAll(t, s, transaction(updateOf(goalsID, 2, 1, "Signup", nil, "Renamed", -1, unchanged))...)
	if got := done.changed.Goals[2]; got.DisplayName != "Renamed" || got.CustomProps["plan"] != "pro" {
		t.Errorf("goal is %+v, want it renamed with its properties kept", got)
	}
	// A key tuple has null in all columns but the key: nothing may be taken from it.
	done = applyAll(t, s, transaction(updateOfKey(goalsID,
		values(2, nil, nil, nil, nil, nil, nil), values(3, 1, "Signup", nil, "Renamed", -1, unchanged)))...)
	if got, old := done.changed.Goals[3], done.changed.Goals[2]; got.CustomProps["plan"] != "pro" || old.ID != 0 {
		t.Errorf("goals are %+v, want number 2 under its new key 3 with its properties", done.changed.Goals)
	}
	// A pseudo-site that becomes a site: its domain was not sent again.
	done = applyAll(t, s, transaction(updateOf(sitesID, 1, unchanged, "Etc/UTC", 5, "f", nil))...)
	if got := done.changed.Sites[1].Domain; got != "long.example" {
		t.Errorf("domain is %q, want the kept one", got)
	}
	done = applyAll(t, s, transaction(updateOf(sitesID, 1, unchanged, "Etc/UTC", 5, "t", nil))...)
	if done.changed.Sites == nil || len(done.changed.Sites) != 0 {
		t.Errorf("sites are %v, want none", done.changed.Sites)
	}
}

func TestValueKeptWithinOneTransaction(t *testing.T) {
	s := streamWith(t)
	done := applyAll(t, s, transaction(
		insertInto(goalsID, 2, 1, "Signup", nil, "Signup", -1, `{"plan": "pro"}`),
		updateOf(goalsID, 2, 1, "Signup", nil, "Renamed", -1, unchanged))...)
	if got := done.changed.Goals[2]; got.CustomProps["plan"] != "pro" {
		t.Errorf("goal is %+v, want the properties that the same transaction inserted", got)
	}
}

func TestTruncateEmptiesAndWhatFollowsStays(t *testing.T) {
	s := streamWith(t)
	applyAll(t, s, transaction(
		insertInto(sitesID, 1, "a.example", "Etc/UTC", nil, "f", nil),
		insertInto(goalsID, 2, 1, "Signup", nil, "Signup", -1, "{}"))...)
	done := applyAll(t, s, transaction(
		insertInto(sitesID, 8, "gone.example", "Etc/UTC", nil, "f", nil),
		truncateOf(sitesID, goalsID),
		insertInto(sitesID, 9, "b.example", "Etc/UTC", nil, "f", nil))...)
	if len(done.changed.Sites) != 1 || done.changed.Sites[9].Domain != "b.example" {
		t.Errorf("sites are %v, want number 9 alone", done.changed.Sites)
	}
	if done.changed.Goals == nil || len(done.changed.Goals) != 0 {
		t.Errorf("goals are %v, want none", done.changed.Goals)
	}
	if _, err := s.apply(&pglogrepl.BeginMessage{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.apply(updateOf(goalsID, 2, 1, unchanged, nil, "x", -1, "{}")); !errors.Is(err, errDesync) {
		t.Errorf("an update of a truncated row gives %v, want desync", err)
	}
}

func TestColumnsComeAndGo(t *testing.T) {
	s := streamWith(t)
	applyAll(t, s, transaction(insertInto(goalsID, 2, 1, "Signup", nil, "Signup", -1, `{"plan": "pro"}`))...)

	again := applyAll(t, s, describeGoals)
	if again.reshaped {
		t.Error("the same description again counts as a change of the table")
	}
	// The order changes, one column is gone.
	done := applyAll(t, s, relationOf(goalsID, "public", "goals", "custom", "scroll_threshold", "page_path", "event_name", "site_id", "id", "display_name"))
	if !done.reshaped {
		t.Error("a dropped column is no change of the table")
	}
	done = applyAll(t, s, transaction(updateOf(goalsID, "?", -1, nil, "Signup", 1, 2, "Signup"))...)
	if got := done.changed.Goals[2]; got.CustomProps != nil || got.EventName != "Signup" || got.SiteID != 1 {
		t.Errorf("goal is %+v, want it without properties", got)
	}
	if done := applyAll(t, s, describeGoals); !done.reshaped {
		t.Error("a column that is there again is no change of the table")
	}
	_, err := s.apply(relationOf(goalsID, "public", "goals", "id", "event_name", "page_path"))
	var schema *SchemaError
	if !errors.As(err, &schema) || schema.Table != "public.goals" || schema.Column != "site_id" {
		t.Errorf("without site_id the error is %v, want one that names table and column", err)
	}
	if got := s.mirror.goals.committed[2].EventName; got != "Signup" {
		t.Errorf("the goal became %q, want the last good state", got)
	}
}

func TestOldVersionsOfPlausible(t *testing.T) {
	m := newMirror()
	m.loaded()
	s := newStream(m)
	done := applyAll(t, s, append([]pglogrepl.Message{
		relationOf(1, "public", "sites", "id", "domain"),
		relationOf(2, "public", "goals", "id", "site_id", "event_name", "page_path"),
		relationOf(3, "public", "spike_notifications", "id", "site_id", "threshold"),
	}, transaction(insertInto(1, 1, "a.example"), insertInto(2, 2, 1, nil, "/blog/*"), insertInto(3, 3, 1, 10))...)...)
	if got, want := done.changed.Sites[1], (config.Site{ID: 1, Domain: "a.example", Timezone: "Etc/UTC"}); got != want {
		t.Errorf("site is %+v, want %+v", got, want)
	}
	goal := done.changed.Goals[2]
	if goal.ScrollThreshold != config.NoScrollThreshold || goal.CustomProps != nil || goal.Kind() != config.GoalPage || goal.DisplayName != "Visit /blog/*" {
		t.Errorf("goal is %+v, want a page goal named by its path", goal)
	}
	if got := done.changed.Notifications[3].Type; got != config.NotifySpike {
		t.Errorf("notification is a %q, want a spike", got)
	}
}

func TestOtherTablesOfThePublicationAreIgnored(t *testing.T) {
	s := streamWith(t)
	done := applyAll(t, s, append([]pglogrepl.Message{relationOf(otherID, "public", "users", "id")},
		transaction(insertInto(otherID, 1), updateOf(otherID, unchanged), deleteFrom(otherID, 1), truncateOf(otherID))...)...)
	if !isEmpty(done.changed) {
		t.Errorf("changed %+v, want nothing", done.changed)
	}
}

func TestStreamThatDoesNotFitIsRefused(t *testing.T) {
	begin := &pglogrepl.BeginMessage{}
	for name, messages := range map[string][]pglogrepl.Message{
		"a value left out of an unknown row": {begin, updateOf(goalsID, 5, 1, unchanged, nil, "x", -1, "{}")},
		"a value left out of an insert":      {begin, insertInto(goalsID, 5, 1, unchanged, nil, "x", -1, "{}")},
		"an undescribed table":               {begin, insertInto(1234, 5)},
		"a truncate of an undescribed table": {begin, truncateOf(1234)},
		"too few columns":                    {begin, insertInto(goalsID, 5, 1)},
		"a key without the key":              {begin, deleteFrom(goalsID, nil, nil, nil, nil, nil, nil, nil)},
		"a change outside of a transaction":  {insertInto(goalsID, 5, 1, "a", nil, "x", -1, "{}")},
		"a commit without a begin":           {&pglogrepl.CommitMessage{}},
		"a begin within a transaction":       {begin, begin},
		"binary values": {begin, &pglogrepl.InsertMessage{RelationID: sitesID, Tuple: &pglogrepl.TupleData{
			Columns: []*pglogrepl.TupleDataColumn{{DataType: 'b'}, {DataType: 'b'}, {DataType: 'b'}, {DataType: 'b'}, {DataType: 'b'}, {DataType: 'b'}}}}},
		"a message of another protocol": {&pglogrepl.StreamStartMessageV2{}},
	} {
		s := streamWith(t)
		var err error
		for _, m := range messages {
			if _, err = s.apply(m); err != nil {
				break
			}
		}
		if !errors.Is(err, errDesync) {
			t.Errorf("%s: error is %v, want desync", name, err)
		}
	}
}
