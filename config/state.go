package config

import (
	"maps"
	"slices"
)

// State is one state of the whole configuration. Two of them are the same
// state if they are ==, and only differ in the tables that are not.
type State struct {
	Sites         *Table[Site]
	Goals         *Table[Goal]
	Notifications *Table[Notification]
	Webhooks      *Table[Webhook]
	Triggers      *Table[Trigger]
}

// EmptyState returns a state without any rows, with which every other begins.
func EmptyState() State {
	return State{
		Sites: newTable(siteLayout), Goals: newTable(goalLayout), Notifications: newTable(notificationLayout),
		Webhooks: newTable(webhookLayout), Triggers: newTable(triggerLayout),
	}
}

// State returns the rows as a state. Maps of rows are not kept, those of custom
// properties are.
func (t Tables) State() State {
	empty := EmptyState()
	return State{
		Sites: filled(empty.Sites, t.Sites), Goals: filled(empty.Goals, t.Goals),
		Notifications: filled(empty.Notifications, t.Notifications),
		Webhooks:      filled(empty.Webhooks, t.Webhooks), Triggers: filled(empty.Triggers, t.Triggers),
	}
}

func filled[R any](empty *Table[R], rows map[int64]R) *Table[R] {
	changes := make([]Change[R], 0, len(rows))
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		changes = append(changes, Change[R]{ID: id, Row: rows[id]})
	}
	return empty.With(changes)
}
