package settings

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"plausible-webhooks/config/settings/assets"
	"plausible-webhooks/config/store"
)

//go:embed templates/*.html
var templateFiles embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"plural": plural, "number": number,
}).ParseFS(templateFiles, "templates/*.html"))

// view is what every page knows.
type view struct {
	Site   Site
	Base   string // Of the overview.
	Mail   string // Plausible's own page with the traffic notifications.
	Goals  string // Plausible's own page with the goals.
	Style  string
	Script string
	Notice string // What was just done.
	Zone   string
	now    time.Time
	zone   *time.Location
	Crumbs []crumb
}

// crumb is a step from the overview to the page.
type crumb struct{ Text, Path string }

func (r *request) view(crumbs ...crumb) view {
	base := r.visit.Base
	settings := strings.TrimSuffix(base, "webhooks")
	return view{
		Site: r.visit.Site, Base: base, Mail: settings + "email-reports", Goals: settings + "goals",
		Style: base + "/assets/" + assets.Path("pw.css"), Script: base + "/assets/" + assets.Path("pw.js"),
		Notice: notice(r.visit.Query), now: r.now, zone: r.zone, Zone: strings.TrimPrefix(r.zone.String(), "Etc/"), Crumbs: crumbs,
	}
}

// of is the way to a webhook's pages.
func (r *request) of(w store.Webhook, crumbs ...crumb) view {
	return r.view(append([]crumb{{nameOf(w), r.path(w.ID)}}, crumbs...)...)
}

// path is one under the overview.
func (r *request) path(parts ...any) string {
	var b strings.Builder
	b.WriteString(r.visit.Base)
	for _, part := range parts {
		b.WriteString("/" + url.PathEscape(fmt.Sprint(part)))
	}
	return b.String()
}

// show renders a page from its template. The answer to a form that was not
// carried out says so by its status as well, for whatever reads logs or
// follows forms with a script; browsers show the page all the same.
func (r *request) show(title, name string, data any) (Page, error) {
	var body bytes.Buffer
	if err := templates.ExecuteTemplate(&body, name, data); err != nil {
		return Page{}, fmt.Errorf("render %s: %w", name, err)
	}
	page := Page{Title: title, Body: template.HTML(body.String())}
	if of, ok := data.(interface{ Bad() bool }); ok && r.posted && of.Bad() {
		page.Status = http.StatusUnprocessableEntity
	}
	return page, nil
}

// done goes to a page with a word about what was done.
func done(path, what string) (Page, error) { return Page{GoTo: path + "?done=" + what}, nil }

// notices are what a page may say about what was just done; nothing else of
// the address is shown.
var notices = map[string]string{
	"added":           "Webhook added",
	"saved":           "Changes saved",
	"paused":          "Webhook paused. Events that are already queued wait for up to 24 hours.",
	"resumed":         "Webhook switched on",
	"deleted":         "Webhook deleted",
	"trigger-added":   "Trigger added",
	"trigger-saved":   "Trigger saved",
	"trigger-removed": "Trigger removed",
	"resent":          "The delivery is on its way again",
	"in-flight":       "The delivery is being sent right now, so it was left alone",
	"resent-none":     "There was nothing to send again in that time",
	"known":           "This form had already been sent, so nothing was done twice",
}

func notice(query url.Values) string {
	what := query.Get("done")
	if n, ok := parseID(query.Get("count")); ok && what == "resent-all" {
		return plural(int(n), "delivery is", "deliveries are") + " on the way again"
	}
	return notices[what]
}

// zoneOf is UTC for a zone that nobody knows.
func zoneOf(name string) *time.Location {
	if zone, err := time.LoadLocation(name); err == nil && name != "" && name != "Local" {
		return zone
	}
	return time.UTC
}

// moment is a time as pages show it.
type moment struct {
	Text    string // In the site's time zone.
	Exact   string // On hover.
	Machine string
}

// At shows a time. Templates pass it to "time".
func (v view) At(t time.Time) moment {
	local := t.In(v.zone)
	layout := "2 Jan, 15:04"
	if local.Year() != v.now.In(v.zone).Year() {
		layout = "2 Jan 2006, 15:04"
	}
	return moment{local.Format(layout), t.UTC().Format("2006-01-02 15:04:05 UTC"), t.UTC().Format(time.RFC3339)}
}

// Exactly shows a time to the second.
func (v view) Exactly(t time.Time) moment {
	m := v.At(t)
	m.Text += t.In(v.zone).Format(":05")
	return m
}
