package plausible_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"plausible-webhooks/deploy/devstack/plausible"
	"plausible-webhooks/deploy/devstack/stack"
)

func TestMain(m *testing.M) { os.Exit(stack.Main(m)) }

// fixture is a stand-in with an owner and the site of that owner.
type fixture struct {
	t      *testing.T
	db     *pgxpool.Pool
	server *plausible.Server
	owner  plausible.Account
	site   int64
	events string
	http   *http.Client
}

const domain = "example.com/shop"

func setup(t *testing.T, version stack.PlausibleVersion, layout plausible.Layout) *fixture {
	t.Helper()
	f := &fixture{t: t, events: stack.TestEvents(t)}
	database := stack.TestDatabase(t, version)
	var err error
	if f.db, err = pgxpool.New(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.db.Close)
	if f.owner, err = plausible.AddAccount(t.Context(), f.db, "owner@example.com", "correct horse"); err != nil {
		t.Fatal(err)
	}
	if f.site, err = f.owner.AddSite(t.Context(), f.db, stack.Site{Domain: domain}); err != nil {
		t.Fatal(err)
	}
	// An hour: nothing is written by itself, the tests flush.
	f.server, err = plausible.Start(t.Context(), plausible.Options{DatabaseURL: database, ClickHouseURL: f.events, Layout: layout, FlushInterval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.server.Stop)
	f.http = client(t)
	return f
}

func client(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (f *fixture) signIn(c *http.Client, email, password string) {
	f.t.Helper()
	status, _, location := f.post(c, "/login", url.Values{"email": {email}, "password": {password}})
	if status != http.StatusFound || location != "/sites" {
		f.t.Fatalf("sign in as %s = %d to %q; want 302 to /sites", email, status, location)
	}
}

func (f *fixture) get(c *http.Client, path string) (status int, body, location string) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, f.server.URL()+path, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.do(c, req)
}

func (f *fixture) post(c *http.Client, path string, form url.Values) (status int, body, location string) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, f.server.URL()+path, strings.NewReader(form.Encode()))
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return f.do(c, req)
}

func (f *fixture) do(c *http.Client, req *http.Request) (status int, body, location string) {
	f.t.Helper()
	resp, err := c.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp.StatusCode, string(raw), resp.Header.Get("Location")
}

var csrfField = regexp.MustCompile(`name="_csrf_token" value="([0-9a-f]+)"`)

func (f *fixture) csrf(page string) string {
	f.t.Helper()
	_, body, _ := f.get(f.http, page)
	found := csrfField.FindStringSubmatch(body)
	if found == nil {
		f.t.Fatalf("%s has no CSRF token:\n%s", page, body)
	}
	return found[1]
}

const settings = "/example.com%2Fshop/settings/"

func TestSettingsAskToSignIn(t *testing.T) {
	f := setup(t, stack.V32, plausible.Current)
	status, _, location := f.get(f.http, settings+"general")
	want := "/login?return_to=" + url.QueryEscape(settings+"general")
	if status != http.StatusFound || location != want {
		t.Errorf("GET = %d to %q; want 302 to %q", status, location, want)
	}
	if status, _, _ := f.post(f.http, "/login", url.Values{"email": {"owner@example.com"}, "password": {"wrong"}}); status != http.StatusOK {
		t.Errorf("sign in with a wrong password = %d; want the form again", status)
	}
}

func TestRolesDecideWhoSeesSettings(t *testing.T) {
	f := setup(t, stack.V32, plausible.Current)
	for _, tc := range []struct {
		role  string // In the team; "guest viewer" and "guest editor" are guests of the site; empty: a stranger.
		want  int
		shown bool
	}{
		{"admin", 200, true}, {"editor", 200, true}, {"viewer", 404, false}, {"billing", 404, false},
		{"guest editor", 200, true}, {"guest viewer", 404, false}, {"", 404, false},
	} {
		t.Run(tc.role, func(t *testing.T) {
			email := strings.ReplaceAll("x"+tc.role, " ", "-") + "@example.com"
			account, err := plausible.AddAccount(t.Context(), f.db, email, "password")
			if err != nil {
				t.Fatal(err)
			}
			if role, guest := strings.CutPrefix(tc.role, "guest "); guest {
				member, err := stack.AddTeamMember(t.Context(), f.db, f.owner.TeamID, account.UserID, "guest")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := stack.AddGuest(t.Context(), f.db, member, f.site, role); err != nil {
					t.Fatal(err)
				}
			} else if tc.role != "" {
				if _, err := stack.AddTeamMember(t.Context(), f.db, f.owner.TeamID, account.UserID, tc.role); err != nil {
					t.Fatal(err)
				}
			}
			c := client(t)
			f.signIn(c, email, "password")
			status, body, _ := f.get(c, settings+"email-reports")
			if status != tc.want || strings.Contains(body, "Traffic spike") != tc.shown {
				t.Errorf("settings as %q = %d, shown %v; want %d, %v", tc.role, status, !tc.shown, tc.want, tc.shown)
			}
		})
	}
}

func TestCatchAllAnswersUnknownPathsOfPublicSites(t *testing.T) {
	f := setup(t, stack.V32, plausible.Current)
	if status, _, _ := f.get(f.http, settings+"webhooks"); status != http.StatusNotFound {
		t.Errorf("a private site's unknown path = %d to strangers; want 404", status)
	}
	if _, err := f.db.Exec(t.Context(), `update sites set public = true`); err != nil {
		t.Fatal(err)
	}
	status, body, _ := f.get(f.http, settings+"webhooks")
	if status != http.StatusOK || !strings.Contains(body, "dashboard") {
		t.Errorf("a public site's unknown path = %d; want 200 with the dashboard, as Plausible's catch-all", status)
	}
}

func TestNotificationsAreRowsWhileEnabled(t *testing.T) {
	f := setup(t, stack.V32, plausible.Current)
	f.signIn(f.http, "owner@example.com", "correct horse")
	token := url.Values{"_csrf_token": {f.csrf(settings + "email-reports")}}
	base := "/sites/example.com%2Fshop/traffic-change-notification/spike"

	row := func() (threshold int, recipients string) {
		t.Helper()
		if err := f.db.QueryRow(t.Context(), `select coalesce(max(threshold), 0), coalesce(max(recipients::text), '')
			from spike_notifications where site_id = $1 and type = 'spike'`, f.site).Scan(&threshold, &recipients); err != nil {
			t.Fatal(err)
		}
		return threshold, recipients
	}
	if status, _, _ := f.post(f.http, base+"/enable", nil); status != http.StatusForbidden {
		t.Errorf("enable without a CSRF token = %d; want 403", status)
	}
	if status, body, _ := f.post(f.http, base+"/enable", token); status != http.StatusFound {
		t.Fatalf("enable = %d %s; want 302", status, body)
	}
	if threshold, recipients := row(); threshold != 10 || recipients != "{owner@example.com}" {
		t.Errorf("enabled row = %d to %s; want 10 to the person who switched it on", threshold, recipients)
	}
	update := url.Values{"_csrf_token": token["_csrf_token"], "_method": {"put"}, "threshold": {"50"}}
	if status, _, _ := f.post(f.http, base, update); status != http.StatusFound {
		t.Errorf("update = %d; want 302", status)
	}
	if threshold, _ := row(); threshold != 50 {
		t.Errorf("threshold = %d; want 50", threshold)
	}
	if status, _, _ := f.post(f.http, base+"/disable", token); status != http.StatusFound {
		t.Errorf("disable = %d; want 302", status)
	}
	if threshold, _ := row(); threshold != 0 {
		t.Errorf("the row is still there with threshold %d; want it deleted", threshold)
	}
}

func TestGoalsAreWrittenAsPlausibleWritesThem(t *testing.T) {
	for _, version := range stack.PlausibleVersions() {
		t.Run(string(version), func(t *testing.T) {
			f := setup(t, version, plausible.Older)
			f.signIn(f.http, "owner@example.com", "correct horse")
			token := f.csrf(settings + "goals")
			status, body, _ := f.post(f.http, settings+"goals", url.Values{"_csrf_token": {token}, "page_path": {"blog/*"}})
			if status != http.StatusFound {
				t.Fatalf("add a goal = %d %s; want 302", status, body)
			}
			var path, name string
			if err := f.db.QueryRow(t.Context(), `select page_path, display_name from goals`).Scan(&path, &name); err != nil {
				t.Fatal(err)
			}
			if path != "/blog/*" || name != "Visit /blog/*" {
				t.Errorf("goal = %q %q; want a leading slash and the default name", path, name)
			}
		})
	}
}

func TestSidebarOfBothLayouts(t *testing.T) {
	for layout, wrapped := range map[plausible.Layout]bool{plausible.Current: true, plausible.Older: false} {
		t.Run(string(layout), func(t *testing.T) {
			f := setup(t, stack.V32, layout)
			f.signIn(f.http, "owner@example.com", "correct horse")
			_, body, _ := f.get(f.http, settings+"general")
			if got := strings.Contains(body, `data-testid="settings-sidebar"`); got != wrapped {
				t.Errorf("sidebar has a wrapper: %v; want %v", got, wrapped)
			}
			if !strings.Contains(body, `href="`+settings+`email-reports"`) {
				t.Errorf("no link to email reports in:\n%s", body)
			}
		})
	}
}

func TestEventsWaitInTheWriteBuffer(t *testing.T) {
	f := setup(t, stack.V32, plausible.Current)
	for _, visit := range []plausible.Visit{
		{Visitor: "a", Domain: domain, Path: "/", Referrer: "https://news.ycombinator.com/"},
		{Visitor: "a", Domain: domain, Path: "/signup", Name: "Signup", Props: map[string]string{"plan": "free"}},
		{Visitor: "b", Domain: "unknown.example", Path: "/"},
	} {
		if err := visit.Send(t.Context(), f.server.URL()); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.rows(); len(got) != 0 {
		t.Errorf("rows before the flush: %v; want none", got)
	}
	if err := f.server.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"Signup /shop/signup  plan free", "pageview /shop/ Hacker News  "}
	if got := f.rows(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("rows = %q; want %q", got, want)
	}
}

// rows reads events_v2 through the engine's own HTTP interface.
func (f *fixture) rows() []string {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 10*time.Second) // Milliseconds on a free machine.
	defer cancel()
	address, err := url.Parse(f.events)
	if err != nil {
		f.t.Fatal(err)
	}
	query := url.Values{
		"database": {strings.TrimPrefix(address.Path, "/")},
		"query": {`SELECT name, pathname, referrer_source, arrayElement(meta.key, 1) AS k, arrayElement(meta.value, 1) AS v
			FROM events_v2 ORDER BY name FORMAT JSONEachRow`},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address.Host+"/?"+query.Encode(), nil)
	if err != nil {
		f.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var rows []string
	for decoder := json.NewDecoder(resp.Body); ; {
		var row struct {
			ReferrerSource       string `json:"referrer_source"`
			Name, Pathname, K, V string
		}
		if err := decoder.Decode(&row); err == io.EOF {
			return rows
		} else if err != nil {
			f.t.Fatal(err)
		}
		rows = append(rows, fmt.Sprintf("%s %s %s %s %s", row.Name, row.Pathname, row.ReferrerSource, row.K, row.V))
	}
}
