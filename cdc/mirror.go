package cdc

import "plausible-webhooks/config"

// state is what the followed tables hold. It is immutable; two are the same if
// they are ==.
type state struct {
	config.State                            // What a view shows.
	pseudo       *config.Table[config.Site] // Sites that no view shows.
}

func emptyState() state {
	return state{State: config.EmptyState(), pseudo: config.EmptyState().Sites}
}

// mirror is a state on its way from one to the next: by what a read finds, or
// by the transactions of a stream.
type mirror struct {
	sites         *rows[site, sites]
	goals         *rows[config.Goal, *config.Table[config.Goal]]
	notifications *rows[config.Notification, *config.Table[config.Notification]]
	webhooks      *rows[config.Webhook, *config.Table[config.Webhook]]
	triggers      *rows[config.Trigger, *config.Table[config.Trigger]]

	all []tableRows
}

func newMirror(of state) *mirror {
	m := &mirror{
		sites:         newRows(sitesTable, sites{shown: of.Sites, pseudo: of.pseudo}),
		goals:         newRows(goalsTable, of.Goals),
		notifications: newRows(notificationsTable, of.Notifications),
		webhooks:      newRows(webhooksTable, of.Webhooks),
		triggers:      newRows(triggersTable, of.Triggers),
	}
	m.all = []tableRows{m.sites, m.goals, m.notifications, m.webhooks, m.triggers}
	return m
}

// state is the state as of the last commit.
func (m *mirror) state() state {
	return state{
		State: config.State{
			Sites: m.sites.committed.shown, Goals: m.goals.committed, Notifications: m.notifications.committed,
			Webhooks: m.webhooks.committed, Triggers: m.triggers.committed,
		},
		pseudo: m.sites.committed.pseudo,
	}
}

// Tables that are followed, with their schemas, in the order in which they are
// read and locked.
func followedTables() []string {
	var names []string
	for _, t := range newMirror(emptyState()).all {
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

// commit ends a transaction.
func (m *mirror) commit() {
	for _, t := range m.all {
		t.commit()
	}
}

func (m *mirror) discard() {
	for _, t := range m.all {
		t.discard()
	}
}

// differencesFrom compares a fresh read with an older mirror, in rows that the
// older one has not been told of meanwhile. It costs little where both share
// their rows, as they do if the read began from a state of the older one.
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
