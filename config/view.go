package config

import (
	"cmp"
	"iter"
	"slices"
)

// Tables are the rows of a view by primary key. In Next, a nil map means that
// the table has not changed.
type Tables struct {
	Sites         map[int64]Site
	Goals         map[int64]Goal
	Notifications map[int64]Notification
	Webhooks      map[int64]Webhook
	Triggers      map[int64]Trigger
}

// View is one consistent, immutable state of the whole configuration, as of
// one committed transaction of PostgreSQL.
type View struct {
	// Revision grows by one from each view to the next of one process.
	Revision uint64

	tables          Tables
	goalsOfSite     map[int64][]Goal
	notification    map[notificationKey]Notification
	triggersOfHook  map[int64][]Trigger
	webhooksOfSite  map[int64][]Webhook // Key zero: the instance-wide ones.
	webhooksOrdered []Webhook
}

type notificationKey struct {
	site int64
	kind NotificationType
}

// NewView returns the first view of a process. It takes the maps over: the
// caller must not change them afterwards.
func NewView(tables Tables) *View {
	return new(View).Next(tables)
}

// Next returns the view that follows v. Maps that are nil in changed are
// shared with v, so that a commit costs only what it touched; the others are
// taken over and must not be changed by the caller afterwards.
func (v *View) Next(changed Tables) *View {
	next := *v
	next.Revision++
	if changed.Sites != nil {
		next.tables.Sites = changed.Sites
	}
	if changed.Goals != nil {
		next.tables.Goals = changed.Goals
		next.goalsOfSite = groupSorted(changed.Goals, func(g Goal) int64 { return g.SiteID }, func(g Goal) int64 { return g.ID })
	}
	if changed.Notifications != nil {
		next.tables.Notifications = changed.Notifications
		next.notification = make(map[notificationKey]Notification, len(changed.Notifications))
		for _, n := range changed.Notifications {
			next.notification[notificationKey{n.SiteID, n.Type}] = n
		}
	}
	if changed.Webhooks != nil {
		next.tables.Webhooks = changed.Webhooks
		next.webhooksOfSite = groupSorted(changed.Webhooks, func(w Webhook) int64 { return w.SiteID }, func(w Webhook) int64 { return w.ID })
		next.webhooksOrdered = sortedByID(changed.Webhooks, func(w Webhook) int64 { return w.ID })
	}
	if changed.Triggers != nil {
		next.tables.Triggers = changed.Triggers
		next.triggersOfHook = groupSorted(changed.Triggers, func(t Trigger) int64 { return t.WebhookID }, func(t Trigger) int64 { return t.ID })
	}
	return &next
}

// Tables returns the rows of the view. They are read-only.
func (v *View) Tables() Tables { return v.tables }

// Site returns a site by its id.
func (v *View) Site(id int64) (Site, bool) {
	s, ok := v.tables.Sites[id]
	return s, ok
}

// Sites yields every site, in no order.
func (v *View) Sites() iter.Seq[Site] {
	return func(yield func(Site) bool) {
		for _, s := range v.tables.Sites {
			if !yield(s) {
				return
			}
		}
	}
}

// SiteCount is the number of sites.
func (v *View) SiteCount() int { return len(v.tables.Sites) }

// Goal returns a goal by its id.
func (v *View) Goal(id int64) (Goal, bool) {
	g, ok := v.tables.Goals[id]
	return g, ok
}

// GoalsOf returns the goals of a site, by id. The slice is read-only.
func (v *View) GoalsOf(site int64) []Goal { return v.goalsOfSite[site] }

// Notification returns the site's own traffic notification of a kind, if it
// is enabled in Plausible.
func (v *View) Notification(site int64, kind NotificationType) (Notification, bool) {
	n, ok := v.notification[notificationKey{site, kind}]
	return n, ok
}

// Webhook returns a webhook by its id.
func (v *View) Webhook(id int64) (Webhook, bool) {
	w, ok := v.tables.Webhooks[id]
	return w, ok
}

// Webhooks returns every webhook, by id. The slice is read-only.
func (v *View) Webhooks() []Webhook { return v.webhooksOrdered }

// WebhooksOf returns the webhooks that a site owns, by id; site zero: the
// instance-wide ones. The slice is read-only.
func (v *View) WebhooksOf(site int64) []Webhook { return v.webhooksOfSite[site] }

// Trigger returns a trigger by its id.
func (v *View) Trigger(id int64) (Trigger, bool) {
	t, ok := v.tables.Triggers[id]
	return t, ok
}

// TriggersOf returns the triggers of a webhook, by id. The slice is read-only.
func (v *View) TriggersOf(webhook int64) []Trigger { return v.triggersOfHook[webhook] }

func groupSorted[T any](rows map[int64]T, group, id func(T) int64) map[int64][]T {
	groups := make(map[int64][]T)
	for _, row := range rows {
		groups[group(row)] = append(groups[group(row)], row)
	}
	for _, members := range groups {
		slices.SortFunc(members, func(a, b T) int { return cmp.Compare(id(a), id(b)) })
	}
	return groups
}

func sortedByID[T any](rows map[int64]T, id func(T) int64) []T {
	sorted := make([]T, 0, len(rows))
	for _, row := range rows {
		sorted = append(sorted, row)
	}
	slices.SortFunc(sorted, func(a, b T) int { return cmp.Compare(id(a), id(b)) })
	return sorted
}
