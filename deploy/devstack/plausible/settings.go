package plausible

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"plausible-webhooks/deploy/devstack/stack"
)

// tabs are the entries of the settings menu (LayoutView.site_settings_sidebar),
// without those that exist only in Plausible's cloud.
var tabs = []tab{
	{"general", "General"}, {"people", "People"}, {"visibility", "Visibility"}, {"goals", "Goals"},
	{"properties", "Custom properties"}, {"integrations", "Integrations"}, {"imports-exports", "Imports & exports"},
	{"shields", "Shields"}, {"email-reports", "Email reports"}, {"danger-zone", "Danger zone"},
}

// shields are below an entry that is no link itself.
var shields = []tab{
	{"shields/ip_addresses", "IP addresses"}, {"shields/countries", "Countries"}, {"shields/pages", "Pages"}, {"shields/hostnames", "Hostnames"},
}

type tab struct{ Value, Label string }

// Shields are the entries below this one.
func (t tab) Shields() []tab {
	if t.Value == "shields" {
		return shields
	}
	return nil
}

type goalRow struct {
	ID              int64
	DisplayName     string
	EventName, Path string
}

type notificationRow struct {
	Type, Title, Label string
	Enabled            bool
	Threshold          int
}

// settingsIndex redirects to the first tab, as Plausible does.
func (s *Server) settingsIndex(w http.ResponseWriter, r *http.Request, _ user, site siteRow) {
	http.Redirect(w, r, "/"+site.Path()+"/settings/general", http.StatusFound)
}

// settings shows a tab; a path that is none falls through to the catch-all.
func (s *Server) settings(w http.ResponseWriter, r *http.Request) {
	for _, known := range tabs {
		if known.Value == r.PathValue("tab") && known.Shields() == nil {
			s.site(func(w http.ResponseWriter, r *http.Request, u user, site siteRow) {
				s.settingsTab(w, r, u, site, known)
			})(w, r)
			return
		}
	}
	s.dashboard(w, r)
}

func (s *Server) settingsShield(w http.ResponseWriter, r *http.Request) {
	for _, known := range shields {
		if known.Value == "shields/"+r.PathValue("shield") {
			s.site(func(w http.ResponseWriter, r *http.Request, u user, site siteRow) {
				s.settingsTab(w, r, u, site, known)
			})(w, r)
			return
		}
	}
	s.dashboard(w, r)
}

func (s *Server) settingsTab(w http.ResponseWriter, r *http.Request, u user, site siteRow, active tab) {
	p := page{
		Title: active.Label, User: u.email, CSRF: s.csrf(u), Site: site, CanEdit: true,
		Tabs: tabs, Active: active, Layout: *s.layout.Load(),
	}
	s.refresh(w, u)
	err := s.db.QueryRow(r.Context(), `select coalesce(theme, 'system') from users where id = $1`, u.id).Scan(&p.Theme)
	if err != nil {
		s.fail(w, err)
		return
	}
	switch active.Value {
	case "goals":
		p.Goals, err = s.goals(r.Context(), site)
	case "email-reports":
		p.Notifications, err = s.notifications(r.Context(), site)
	}
	if err != nil {
		s.fail(w, err)
		return
	}
	s.render(w, http.StatusOK, "settings", p)
}

func (s *Server) goals(ctx context.Context, site siteRow) ([]goalRow, error) {
	rows, err := s.db.Query(ctx, `select id, display_name, coalesce(event_name, ''), coalesce(page_path, '')
		from goals where site_id = $1 order by id desc`, site.ID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var goals []goalRow
	for rows.Next() {
		var g goalRow
		if err := rows.Scan(&g.ID, &g.DisplayName, &g.EventName, &g.Path); err != nil {
			return nil, err
		}
		goals = append(goals, g)
	}
	return goals, rows.Err()
}

// addGoal writes the row that Plausible's goal form writes: a path gets its
// leading slash, and the display name a default (lib/plausible/goal.ex).
func (s *Server) addGoal(w http.ResponseWriter, r *http.Request, _ user, site siteRow) {
	eventName, path := strings.TrimSpace(r.FormValue("event_name")), strings.TrimSpace(r.FormValue("page_path"))
	if (eventName == "") == (path == "") || eventName == "engagement" {
		http.Error(w, "A goal is either a custom event or a page path", http.StatusUnprocessableEntity)
		return
	}
	if path != "" && !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	goal := stack.Goal{EventName: eventName, PagePath: path, DisplayName: strings.TrimSpace(r.FormValue("display_name"))}
	if _, err := stack.AddGoal(r.Context(), s.db, site.ID, goal); err != nil {
		s.fail(w, err)
		return
	}
	http.Redirect(w, r, "/"+site.Path()+"/settings/goals", http.StatusFound)
}

func (s *Server) deleteGoal(w http.ResponseWriter, r *http.Request, _ user, site siteRow) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		s.notFound(w)
		return
	}
	if _, err := s.db.Exec(r.Context(), `delete from goals where id = $1 and site_id = $2`, id, site.ID); err != nil {
		s.fail(w, err)
		return
	}
	http.Redirect(w, r, "/"+site.Path()+"/settings/goals", http.StatusFound)
}

// resetStats moves native_stats_start_at; the events stay where they are.
func (s *Server) resetStats(w http.ResponseWriter, r *http.Request, _ user, site siteRow) {
	if _, err := s.db.Exec(r.Context(), `update sites set native_stats_start_at = now() at time zone 'utc',
		updated_at = now() at time zone 'utc' where id = $1`, site.ID); err != nil {
		s.fail(w, err)
		return
	}
	http.Redirect(w, r, "/"+site.Path()+"/settings/danger-zone", http.StatusFound)
}

// deleteSite lets the foreign keys remove goals and notifications, as
// lib/plausible/site/removal.ex does; ClickHouse keeps the events.
func (s *Server) deleteSite(w http.ResponseWriter, r *http.Request, _ user, site siteRow) {
	if _, err := s.db.Exec(r.Context(), `delete from sites where id = $1`, site.ID); err != nil {
		s.fail(w, err)
		return
	}
	http.Redirect(w, r, "/sites", http.StatusFound)
}

func (s *Server) siteList(w http.ResponseWriter, r *http.Request, u user) {
	rows, err := s.db.Query(r.Context(), `select id, domain, public from sites order by domain`)
	if err != nil {
		s.fail(w, err)
		return
	}
	defer rows.Close()
	p := page{Title: "My sites", User: u.email}
	for rows.Next() {
		var site siteRow
		if err := rows.Scan(&site.ID, &site.Domain, &site.Public); err != nil {
			s.fail(w, err)
			return
		}
		if _, role, err := s.role(r.Context(), u, site.Domain); err == nil && role != "" {
			p.Sites = append(p.Sites, site)
		}
	}
	s.render(w, http.StatusOK, "sites", p)
}
