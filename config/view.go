package config

import "iter"

// View is one consistent, immutable state of the whole configuration, as of
// one committed transaction of PostgreSQL.
type View struct {
	// Revision grows by one from each view to the next of one process.
	Revision uint64

	state State
}

// Tables are rows by primary key.
type Tables struct {
	Sites         map[int64]Site
	Goals         map[int64]Goal
	Notifications map[int64]Notification
	Webhooks      map[int64]Webhook
	Triggers      map[int64]Trigger
}

// NewView returns the first view of a process, with the rows of tables.
func NewView(tables Tables) *View { return (*View)(nil).Next(tables.State()) }

// Next returns the view that follows v, which is nil before the first.
func (v *View) Next(state State) *View {
	next := &View{Revision: 1, state: state}
	if v != nil {
		next.Revision = v.Revision + 1
	}
	return next
}

// Site returns a site by its id.
func (v *View) Site(id int64) (Site, bool) { return v.state.Sites.Get(id) }

// Sites yields every site, by id.
func (v *View) Sites() iter.Seq[Site] { return v.state.Sites.All() }

// SiteCount is the number of sites.
func (v *View) SiteCount() int { return v.state.Sites.Len() }

// Goal returns a goal by its id.
func (v *View) Goal(id int64) (Goal, bool) { return v.state.Goals.Get(id) }

// Goals yields every goal, by id.
func (v *View) Goals() iter.Seq[Goal] { return v.state.Goals.All() }

// GoalCount is the number of goals.
func (v *View) GoalCount() int { return v.state.Goals.Len() }

// GoalsOf returns the goals of a site, by id.
func (v *View) GoalsOf(site int64) []Goal { return v.state.Goals.of(site) }

// GoalsChangedSince yields the goals that are absent or different in an older
// view, by id; all goals if before is nil. It costs little where little has
// changed. What before yields since v are the goals that are gone, and the
// changed ones as they were.
func (v *View) GoalsChangedSince(before *View) iter.Seq[Goal] {
	if before == nil {
		return v.Goals()
	}
	return v.state.Goals.ChangedSince(before.state.Goals)
}

// Notification returns the site's own traffic notification of a kind, if it
// is enabled in Plausible.
func (v *View) Notification(site int64, kind NotificationType) (Notification, bool) {
	for _, n := range v.state.Notifications.of(site) {
		if n.Type == kind {
			return n, true
		}
	}
	return Notification{}, false
}

// Notifications yields the traffic notifications of every site, by id.
func (v *View) Notifications() iter.Seq[Notification] { return v.state.Notifications.All() }

// Webhook returns a webhook by its id.
func (v *View) Webhook(id int64) (Webhook, bool) { return v.state.Webhooks.Get(id) }

// Webhooks yields every webhook with its id, by id.
func (v *View) Webhooks() iter.Seq2[int64, Webhook] {
	return func(yield func(int64, Webhook) bool) {
		for w := range v.state.Webhooks.All() {
			if !yield(w.ID, w) {
				return
			}
		}
	}
}

// WebhookCount is the number of webhooks.
func (v *View) WebhookCount() int { return v.state.Webhooks.Len() }

// WebhooksOf returns the webhooks that a site owns, by id; site zero: the
// instance-wide ones.
func (v *View) WebhooksOf(site int64) []Webhook { return v.state.Webhooks.of(site) }

// Trigger returns a trigger by its id.
func (v *View) Trigger(id int64) (Trigger, bool) { return v.state.Triggers.Get(id) }

// Triggers yields every trigger, by id.
func (v *View) Triggers() iter.Seq[Trigger] { return v.state.Triggers.All() }

// TriggerCount is the number of triggers.
func (v *View) TriggerCount() int { return v.state.Triggers.Len() }

// TriggersOf returns the triggers of a webhook, by id.
func (v *View) TriggersOf(webhook int64) []Trigger { return v.state.Triggers.of(webhook) }
