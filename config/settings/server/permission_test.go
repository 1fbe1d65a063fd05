package server_test

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"plausible-webhooks/config/settings"
	"plausible-webhooks/deploy/devstack/plausible"
	"plausible-webhooks/deploy/devstack/stack"
)

// routes are all paths below the page with what is done there: those of the
// real pages, which TestTableHoldsEveryRouteOfThePages compares, and some that
// lead nowhere. {webhook}, {trigger} and {delivery} stand for ids.
var routes = []struct{ method, path string }{
	{"GET", ""}, {"HEAD", ""},
	{"GET", "/new"}, {"POST", "/new"},
	{"GET", "/{webhook}"}, {"HEAD", "/{webhook}"},
	{"GET", "/{webhook}/edit"}, {"POST", "/{webhook}/edit"},
	{"POST", "/{webhook}/pause"}, {"POST", "/{webhook}/resume"},
	{"GET", "/{webhook}/secret"}, {"POST", "/{webhook}/secret"}, {"POST", "/{webhook}/test"},
	{"GET", "/{webhook}/triggers/new"}, {"POST", "/{webhook}/triggers/new"},
	{"GET", "/{webhook}/triggers/{trigger}"}, {"POST", "/{webhook}/triggers/{trigger}"}, {"POST", "/{webhook}/triggers/{trigger}/remove"},
	{"GET", "/{webhook}/deliveries"}, {"POST", "/{webhook}/deliveries/resend"},
	{"GET", "/{webhook}/deliveries/{delivery}"}, {"POST", "/{webhook}/deliveries/{delivery}/resend"},
	{"GET", "/{webhook}/delete"}, {"POST", "/{webhook}/delete"},

	{"POST", ""}, {"GET", "/no/such/page"}, {"GET", "/{webhook}%2Fedit"}, {"GET", "/assets"}, {"GET", "/assets/a/b"},
}

// TestTableHoldsEveryRouteOfThePages fails where a page is added without a line
// above: then nobody has tested who may see it.
func TestTableHoldsEveryRouteOfThePages(t *testing.T) {
	for _, known := range settings.Routes() {
		for _, method := range known.Methods {
			path := known.Path
			if path != "" {
				path = "/" + path
			}
			if !slices.Contains(routes, struct{ method, path string }{method, path}) {
				t.Errorf("%s %q is a page, and not among the routes whose permission is tested", method, path)
			}
		}
	}
}

// filled has ids in a path.
func filled(path string, webhook, trigger int64, delivery string) string {
	return strings.NewReplacer("{webhook}", strconv.FormatInt(webhook, 10), "{trigger}", strconv.FormatInt(trigger, 10), "{delivery}", delivery).Replace(path)
}

const someDelivery = "0199aaaa-0000-7000-8000-000000000001"

// people are who may ask. Role is that in the site's team; "guest …" is that in
// the site alone.
var people = []struct {
	name, role string
	allowed    bool
}{
	{"owner", "owner", true}, {"admin", "admin", true}, {"editor", "editor", true}, {"guest editor", "guest editor", true},
	{"viewer", "viewer", false}, {"guest viewer", "guest viewer", false}, {"billing", "billing", false},
	{"stranger", "", false}, {"editor of another site", "elsewhere", false},
}

// person makes an account with a role and signs it in.
func (w *world) person(role string) *browser {
	w.t.Helper()
	if role == "owner" {
		return w.ownerBrowser()
	}
	email := strings.ReplaceAll("x"+role, " ", "-") + "@example.com"
	account, err := plausible.AddAccount(w.t.Context(), w.db, email, password)
	if err != nil {
		w.t.Fatal(err)
	}
	team, site := w.owner.TeamID, w.site
	if role == "elsewhere" {
		other, err := plausible.AddAccount(w.t.Context(), w.db, "other-owner@example.com", password)
		if err != nil {
			w.t.Fatal(err)
		}
		if site, err = other.AddSite(w.t.Context(), w.db, stack.Site{Domain: "elsewhere.example"}); err != nil {
			w.t.Fatal(err)
		}
		team, role = other.TeamID, "guest editor"
	}
	if inSite, guest := strings.CutPrefix(role, "guest "); guest {
		member, err := stack.AddTeamMember(w.t.Context(), w.db, team, account.UserID, "guest")
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := stack.AddGuest(w.t.Context(), w.db, member, site, inSite); err != nil {
			w.t.Fatal(err)
		}
	} else if role != "" {
		if _, err := stack.AddTeamMember(w.t.Context(), w.db, team, account.UserID, role); err != nil {
			w.t.Fatal(err)
		}
	}
	return w.signedIn(email)
}

func TestEveryRouteAsksPlausibleForEveryRole(t *testing.T) {
	for _, who := range people {
		t.Run(who.name, func(t *testing.T) {
			w := newWorld(t)
			// The worst case: strangers see the dashboard of this one.
			w.exec(`update sites set public = true`)
			b := w.person(who.role)
			theirs := b.do(b.request(http.MethodGet, w.web.URL()+encoded+"/settings/email-reports", nil))
			for _, route := range routes {
				what := route.method + " " + route.path
				got := b.do(b.request(route.method, w.address+page+filled(route.path, 1, 1, someDelivery), formFor(route.method)))
				switch {
				case !who.allowed:
					w.wantNothing(what, got)
					if got.status != http.StatusNotFound || route.method != http.MethodHead && got.body != theirs.body {
						t.Errorf("%s = %d; want Plausible's own 404:\n%.500s", what, got.status, got.body)
					}
				case route.method == http.MethodHead:
					if got.status != http.StatusOK || got.body != "" {
						t.Errorf("%s = %d with %d bytes; want 200 with none", what, got.status, len(got.body))
					}
				case strings.Contains(route.path, "%2F"):
					if got.status != http.StatusNotFound || strings.Contains(got.body, siteData) {
						t.Errorf("%s = %d; want 404", what, got.status)
					}
				default:
					w.wantShown(what, got)
				}
			}
		})
	}
}

func formFor(method string) url.Values {
	if method == http.MethodPost {
		return url.Values{"name": {"x"}}
	}
	return nil
}

func TestNobodySignedInIsSentToSignInAndBack(t *testing.T) {
	for _, public := range []string{"false", "true"} {
		w := newWorld(t)
		w.exec(`update sites set public = ` + public)
		b := w.browser()
		for _, route := range routes {
			what, path := route.method+" "+route.path, filled(route.path, 1, 1, someDelivery)
			got := b.do(b.request(route.method, w.address+page+path, formFor(route.method)))
			w.wantNothing(what, got)
			status, back := http.StatusFound, page+path
			if route.method == http.MethodPost {
				status, back = http.StatusSeeOther, page
			}
			want := "/login?return_to=" + url.QueryEscape(back)
			if got.status != status || got.header.Get("Location") != want {
				t.Errorf("%s = %d to %q; want %d to %q", what, got.status, got.header.Get("Location"), status, want)
			}
		}
		got := b.get(page + "/1?state=failed&page=2")
		if want := "/login?return_to=" + url.QueryEscape(page+"/1?state=failed&page=2"); got.header.Get("Location") != want {
			t.Errorf("sent to %q; want %q", got.header.Get("Location"), want)
		}
	}
}

func TestWayBackIsWalkable(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	location := b.get(page).header.Get("Location")
	back, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	got := b.do(b.request(http.MethodPost, w.web.URL()+"/login", url.Values{
		"email": {"owner@example.com"}, "password": {password}, "return_to": {back.Query().Get("return_to")},
	}))
	w.wantShown("the page after signing in", b.get(got.header.Get("Location")))
}

func TestFirstStepsAreHandedOn(t *testing.T) {
	for change, want := range map[string]string{
		`update users set email_verified = false`:                                    "/activate",
		`update teams set policy = '{"force_all_members_2fa": true}'`:                "/2fa/setup/force-initiate",
		`delete from team_memberships; delete from user_sessions; delete from users`: "/register",
	} {
		w := newWorld(t)
		b := w.ownerBrowser()
		w.exec(change)
		got := b.get(page)
		w.wantNothing(want, got)
		if location, _, _ := strings.Cut(got.header.Get("Location"), "?"); got.status != http.StatusFound || location != want {
			t.Errorf("after %s = %d to %q; want 302 to %s", change, got.status, location, want)
		}
	}
}

// A site that PostgreSQL has not is answered like one that it has.
func TestAnswersDoNotTellWhichSitesExist(t *testing.T) {
	w := newWorld(t)
	stranger, nobody := w.person(""), w.browser()
	for _, path := range []string{page, "/no-such.example/settings/webhooks"} {
		if got := nobody.get(path); got.status != http.StatusFound {
			t.Errorf("%s = %d to nobody; want 302", path, got.status)
		}
		got := stranger.get(path)
		if got.status != http.StatusNotFound || !strings.Contains(got.body, "There&#39;s nothing here") {
			t.Errorf("%s = %d to a stranger; want Plausible's 404:\n%s", path, got.status, got.body)
		}
	}
}
