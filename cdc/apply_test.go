package cdc

import (
	"errors"
	"slices"
	"testing"

	"github.com/jackc/pglogrepl"

	"plausible-webhooks/config"
)

func TestTransactionAppearsAsAWholeAtItsEnd(t *testing.T) {
	s := streamWith(t)
	whole := transaction(
		insertInto(sitesID, 1, "a.example", "Etc/UTC", 5, "f", nil),
		insertInto(goalsID, 2, 1, "Signup", nil, "Signup", -1, "{}"))
	applyAll(t, s, whole[:3]...)
	if n := s.mirror.state().Sites.Len(); n != 0 {
		t.Fatalf("%d sites are visible before the commit", n)
	}
	if got := changedBy(t, s, whole[3:]...); !slices.Equal(got, []string{"sites", "goals"}) {
		t.Fatalf("the commit changed %q", got)
	}
	want := config.Site{ID: 1, Domain: "a.example", Timezone: "Etc/UTC", TeamID: 5}
	if got, _ := s.mirror.state().Sites.Get(1); got != want {
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
		if got := changedBy(t, s, transaction(m)...); len(got) > 0 {
			t.Errorf("%s: changed %q, want nothing", name, got)
		}
	}
}

func TestUnchangedLargeValuesAreKept(t *testing.T) {
	s := streamWith(t)
	applyAll(t, s, transaction(
		insertInto(sitesID, 1, "long.example", "Etc/UTC", 5, "t", nil),
		insertInto(goalsID, 2, 1, "Signup", nil, "Signup", -1, `{"plan": "pro"}`))...)

	applyAll(t, s, transaction(updateOf(goalsID, 2, 1, "Signup", nil, "Renamed", -1, unchanged))...)
	if got := goal(s, 2); got.DisplayName != "Renamed" || got.CustomProps["plan"] != "pro" {
		t.Errorf("goal is %+v, want it renamed with its properties kept", got)
	}
	// A key tuple has null in all columns but the key: nothing may be taken from it.
	applyAll(t, s, transaction(updateOfKey(goalsID,
		values(2, nil, nil, nil, nil, nil, nil), values(3, 1, "Signup", nil, "Renamed", -1, unchanged)))...)
	if got, old := goal(s, 3), goal(s, 2); got.CustomProps["plan"] != "pro" || old.ID != 0 {
		t.Errorf("goals are %+v and %+v, want number 2 under its new key 3 with its properties", old, got)
	}
	// A pseudo-site that becomes a site: its domain was not sent again.
	applyAll(t, s, transaction(updateOf(sitesID, 1, unchanged, "Etc/UTC", 5, "f", nil))...)
	if got, _ := s.mirror.state().Sites.Get(1); got.Domain != "long.example" {
		t.Errorf("domain is %q, want the kept one", got.Domain)
	}
	got := changedBy(t, s, transaction(updateOf(sitesID, 1, unchanged, "Etc/UTC", 5, "t", nil))...)
	if n := s.mirror.state().Sites.Len(); n != 0 || !slices.Equal(got, []string{"sites"}) {
		t.Errorf("there are %d sites after a change of %q, want none after one of the sites", n, got)
	}
}

func TestValueKeptWithinOneTransaction(t *testing.T) {
	s := streamWith(t)
	applyAll(t, s, transaction(
		insertInto(goalsID, 2, 1, "Signup", nil, "Signup", -1, `{"plan": "pro"}`),
		updateOf(goalsID, 2, 1, "Signup", nil, "Renamed", -1, unchanged))...)
	if got := goal(s, 2); got.CustomProps["plan"] != "pro" {
		t.Errorf("goal is %+v, want the properties that the same transaction inserted", got)
	}
}

func TestTruncateEmptiesAndWhatFollowsStays(t *testing.T) {
	s := streamWith(t)
	applyAll(t, s, transaction(
		insertInto(sitesID, 1, "a.example", "Etc/UTC", nil, "f", nil),
		insertInto(goalsID, 2, 1, "Signup", nil, "Signup", -1, "{}"))...)
	changed := changedBy(t, s, transaction(
		insertInto(sitesID, 8, "gone.example", "Etc/UTC", nil, "f", nil),
		truncateOf(sitesID, goalsID),
		insertInto(sitesID, 9, "b.example", "Etc/UTC", nil, "f", nil))...)
	left := slices.Collect(s.mirror.state().Sites.All())
	if len(left) != 1 || left[0].Domain != "b.example" {
		t.Errorf("sites are %v, want number 9 alone", left)
	}
	if n := s.mirror.state().Goals.Len(); n != 0 || !slices.Equal(changed, []string{"sites", "goals"}) {
		t.Errorf("there are %d goals after a change of %q, want none after one of sites and goals", n, changed)
	}
	same := transaction(truncateOf(sitesID), insertInto(sitesID, 9, "b.example", "Etc/UTC", nil, "f", nil))
	if got := changedBy(t, s, same...); len(got) > 0 {
		t.Errorf("a table emptied and filled with the same rows changed %q", got)
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
	applyAll(t, s, transaction(updateOf(goalsID, "?", -1, nil, "Signup", 1, 2, "Signup"))...)
	if got := goal(s, 2); got.CustomProps != nil || got.EventName != "Signup" || got.SiteID != 1 {
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
	if got := goal(s, 2).EventName; got != "Signup" {
		t.Errorf("the goal became %q, want the last good state", got)
	}
}

func TestOldVersionsOfPlausible(t *testing.T) {
	s := newStream(newMirror(emptyState()))
	applyAll(t, s, append([]pglogrepl.Message{
		relationOf(1, "public", "sites", "id", "domain"),
		relationOf(2, "public", "goals", "id", "site_id", "event_name", "page_path"),
		relationOf(3, "public", "spike_notifications", "id", "site_id", "threshold"),
	}, transaction(insertInto(1, 1, "a.example"), insertInto(2, 2, 1, nil, "/blog/*"), insertInto(3, 3, 1, 10))...)...)
	want := config.Site{ID: 1, Domain: "a.example", Timezone: "Etc/UTC"}
	if got, _ := s.mirror.state().Sites.Get(1); got != want {
		t.Errorf("site is %+v, want %+v", got, want)
	}
	g := goal(s, 2)
	if g.ScrollThreshold != config.NoScrollThreshold || g.CustomProps != nil || g.Kind() != config.GoalPage || g.DisplayName != "Visit /blog/*" {
		t.Errorf("goal is %+v, want a page goal named by its path", g)
	}
	if got, _ := s.mirror.state().Notifications.Get(3); got.Type != config.NotifySpike {
		t.Errorf("notification is a %q, want a spike", got.Type)
	}
}

func TestOtherTablesOfThePublicationAreIgnored(t *testing.T) {
	s := streamWith(t)
	changed := changedBy(t, s, append([]pglogrepl.Message{relationOf(otherID, "public", "users", "id")},
		transaction(insertInto(otherID, 1), updateOf(otherID, unchanged), deleteFrom(otherID, 1), truncateOf(otherID))...)...)
	if len(changed) > 0 {
		t.Errorf("changed %q, want nothing", changed)
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
