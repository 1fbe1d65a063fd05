package stack

import (
	"context"
	"time"
)

// Site is a site to add. Only the domain is needed.
type Site struct {
	Domain   string
	Timezone string // Empty is "Etc/UTC".
	// TeamID is the team that owns the site, from v3.0 on; zero is none.
	TeamID int64
	Public bool
	// Locked is how v2.1 stops a site whose owner does not pay.
	Locked bool
	// Consolidated sites stand for all sites of a team, from v3.2 on.
	Consolidated bool
	// NativeStatsStartAt hides what is older; zero is the time of the database.
	NativeStatsStartAt time.Time
	// DomainChangedFrom is the domain that the site had until DomainChangedAt.
	DomainChangedFrom string
	DomainChangedAt   time.Time
}

// AddSite adds a site and returns its id.
func AddSite(ctx context.Context, db DB, site Site) (id int64, err error) {
	if site.Timezone == "" {
		site.Timezone = "Etc/UTC"
	}
	r := written()
	r.set("domain", site.Domain)
	r.set("timezone", site.Timezone)
	option(r, "team_id", site.TeamID)
	option(r, "public", site.Public)
	option(r, "locked", site.Locked)
	option(r, "consolidated", site.Consolidated)
	option(r, "native_stats_start_at", site.NativeStatsStartAt)
	option(r, "domain_changed_from", site.DomainChangedFrom)
	option(r, "domain_changed_at", site.DomainChangedAt)
	return r.insert(ctx, db, "sites")
}

// Goal is a goal to add: of an event when EventName is set, else of a page.
type Goal struct {
	EventName string
	PagePath  string // With a leading slash; may hold wildcards.
	// DisplayName is, when empty, what Plausible takes: the event's name, or
	// "Visit " and the path.
	DisplayName string
	// ScrollThreshold in percent makes a page goal a scroll goal, from v3.0 on;
	// zero makes it none, which Plausible stores as -1.
	ScrollThreshold int16
	// CustomProps must all match, from v3.2 on.
	CustomProps map[string]string
}

// AddGoal adds a goal to a site and returns its id.
func AddGoal(ctx context.Context, db DB, siteID int64, goal Goal) (id int64, err error) {
	if goal.DisplayName == "" {
		goal.DisplayName = goal.EventName
		if goal.EventName == "" {
			goal.DisplayName = "Visit " + goal.PagePath
		}
	}
	r := written()
	r.set("site_id", siteID)
	r.set("display_name", goal.DisplayName)
	option(r, "event_name", goal.EventName)
	option(r, "page_path", goal.PagePath)
	option(r, "scroll_threshold", goal.ScrollThreshold)
	if len(goal.CustomProps) > 0 {
		r.set("custom_props", goal.CustomProps)
	}
	return r.insert(ctx, db, "goals")
}

// Notification is a traffic notification to add.
type Notification struct {
	Type       string   // "spike" or "drop"; empty is "spike".
	Threshold  int32    // Zero is what Plausible proposes: 10 for a spike, 1 for a drop.
	Recipients []string // E-mail addresses.
	LastSent   time.Time
}

// AddNotification switches a traffic notification of a site on and returns its
// id. Plausible switches it off by deleting the row.
func AddNotification(ctx context.Context, db DB, siteID int64, n Notification) (id int64, err error) {
	if n.Type == "" {
		n.Type = "spike"
	}
	if n.Threshold == 0 {
		n.Threshold = 10
		if n.Type == "drop" {
			n.Threshold = 1
		}
	}
	r := written()
	r.set("site_id", siteID)
	r.set("type", n.Type)
	r.set("threshold", n.Threshold)
	if len(n.Recipients) > 0 {
		r.set("recipients", n.Recipients)
	}
	option(r, "last_sent", n.LastSent)
	return r.insert(ctx, db, "spike_notifications")
}
