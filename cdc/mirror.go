package cdc

import (
	"maps"

	"plausible-webhooks/config"
)

// mirror is a private copy of the followed tables.
type mirror struct {
	sites         *rows[site]
	goals         *rows[config.Goal]
	notifications *rows[config.Notification]
	webhooks      *rows[config.Webhook]
	triggers      *rows[config.Trigger]

	all     []tableRows
	visible map[int64]config.Site // The sites that a view shows; shared with views.
}

func newMirror() *mirror {
	m := &mirror{
		sites:         newRows(sitesTable),
		goals:         newRows(goalsTable),
		notifications: newRows(notificationsTable),
		webhooks:      newRows(webhooksTable),
		triggers:      newRows(triggersTable),
	}
	m.all = []tableRows{m.sites, m.goals, m.notifications, m.webhooks, m.triggers}
	return m
}

// Tables that are followed, with their schemas, in the order in which they are
// read and locked.
func followedTables() []string {
	var names []string
	for _, t := range newMirror().all {
		names = append(names, t.qualified())
	}
	return names
}

func (m *mirror) find(schema, name string) tableRows {
	for _, t := range m.all {
		if t.qualified() == schema+"."+name {
			return t
		}
	}
	return nil
}

// loaded ends a full read.
func (m *mirror) loaded() { m.visible = visibleSites(m.sites.committed) }

// visibleSites leaves out the pseudo-sites that stand for a whole team: they
// have no events of their own and their domain is no host name.
func visibleSites(all map[int64]site) map[int64]config.Site {
	visible := make(map[int64]config.Site, len(all))
	for id, s := range all {
		if !s.consolidated {
			visible[id] = s.Site
		}
	}
	return visible
}

// commit ends a transaction and returns the tables that it changed; a nil map
// is an unchanged table.
func (m *mirror) commit() config.Tables {
	var changed config.Tables
	if m.sites.commit() {
		if visible := visibleSites(m.sites.committed); !maps.Equal(visible, m.visible) {
			m.visible = visible
			changed.Sites = visible
		}
	}
	if m.goals.commit() {
		changed.Goals = m.goals.committed
	}
	if m.notifications.commit() {
		changed.Notifications = m.notifications.committed
	}
	if m.webhooks.commit() {
		changed.Webhooks = m.webhooks.committed
	}
	if m.triggers.commit() {
		changed.Triggers = m.triggers.committed
	}
	return changed
}

func (m *mirror) discard() {
	for _, t := range m.all {
		t.discard()
	}
}

// changedFrom returns the tables of the mirror that differ from those of a
// view. For the others the mirror takes the view's maps over, so that equal
// rows are held once.
func (m *mirror) changedFrom(was config.Tables) config.Tables {
	return config.Tables{
		Sites:         changedRows(&m.visible, was.Sites, func(a, b config.Site) bool { return a == b }),
		Goals:         changedRows(&m.goals.committed, was.Goals, equalGoals),
		Notifications: changedRows(&m.notifications.committed, was.Notifications, notificationsTable.equal),
		Webhooks:      changedRows(&m.webhooks.committed, was.Webhooks, webhooksTable.equal),
		Triggers:      changedRows(&m.triggers.committed, was.Triggers, equalTriggers),
	}
}

func changedRows[R any](now *map[int64]R, was map[int64]R, equal func(a, b R) bool) map[int64]R {
	if was != nil && maps.EqualFunc(*now, was, equal) {
		*now = was
		return nil
	}
	return *now
}

func isEmpty(t config.Tables) bool {
	return t.Sites == nil && t.Goals == nil && t.Notifications == nil && t.Webhooks == nil && t.Triggers == nil
}

// differencesFrom compares a fresh read with an older mirror, in rows that the
// older one has not been told of meanwhile.
func (m *mirror) differencesFrom(older *mirror) []Difference {
	var found []Difference
	for _, d := range []Difference{
		differFrom(m.sites.committed, older.sites),
		differFrom(m.goals.committed, older.goals),
		differFrom(m.notifications.committed, older.notifications),
		differFrom(m.webhooks.committed, older.webhooks),
		differFrom(m.triggers.committed, older.triggers),
	} {
		if d.any() {
			found = append(found, d)
		}
	}
	return found
}
