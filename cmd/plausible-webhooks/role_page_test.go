package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"plausible-webhooks/config/settings"
	"plausible-webhooks/deploy/devstack/plausible"
	"plausible-webhooks/deploy/devstack/stack"

	"github.com/jackc/pgx/v5"
)

// pageTour is an owner who walks over the pages of one site, and remembers
// which they have seen.
type pageTour struct {
	*world
	client *http.Client
	base   string
	ids    *strings.Replacer // Fills in the ids of a route.
	seen   []string
}

// goes asks for a page by its route; the answer, or what it leads to, must be a
// page with these words.
func (p *pageTour) goes(method, route string, form url.Values, words ...string) (body string) {
	p.t.Helper()
	p.seen = append(p.seen, method+" "+route)
	address := "http://" + p.process.Pages + strings.TrimSuffix(p.base+"/"+p.ids.Replace(route), "/")
	var sent io.Reader
	if method == http.MethodPost {
		sent = strings.NewReader(form.Encode())
	} else if form != nil {
		address += "?" + form.Encode()
	}
	request, err := http.NewRequestWithContext(p.t.Context(), method, address, sent)
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	answer, err := p.client.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	page, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		p.t.Errorf("%s %s = %d", method, route, answer.StatusCode)
	}
	for _, word := range words {
		if !strings.Contains(string(page), word) {
			p.t.Errorf("%s %s shows nothing of %q:\n%s", method, route, word, page)
		}
	}
	return string(page)
}

// Every page, and everything that can be done on it, under the role that
// --print-role prints and a user of ClickHouse that may only read.
func TestPagesWorkUnderThePrintedRole(t *testing.T) {
	s := emptyShell(t)
	ownerURL := s.db.Config().ConnString()
	owner, err := plausible.AddAccount(t.Context(), s.db, "owner@example.com", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	site, err := owner.AddSite(t.Context(), s.db, stack.Site{Domain: "example.com/shop"})
	if err != nil {
		t.Fatal(err)
	}
	goal, err := stack.AddGoal(t.Context(), s.db, site, stack.Goal{EventName: "Signup"})
	if err != nil {
		t.Fatal(err)
	}
	database := s.narrowed(newRole())
	web, err := plausible.Start(t.Context(), plausible.Options{DatabaseURL: ownerURL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(web.Stop)
	w := newWorld(t, ownerURL, stack.TestEvents(t))
	w.environ = append(w.environ, "DATABASE_URL="+database, "CLICKHOUSE_DATABASE_URL="+strings.Replace(w.events, "http://", "http://readonly@", 1),
		"BASE_URL="+web.URL(), "WEBHOOKS_PLAUSIBLE_URL="+web.URL())
	w.startReady()
	w.following()

	jar, err := cookiejar.New(nil) // Cookies are for every port of a host.
	if err != nil {
		t.Fatal(err)
	}
	p := &pageTour{world: w, client: &http.Client{Jar: jar}, base: "/example.com%2Fshop/settings/webhooks", ids: strings.NewReplacer()}
	signed, err := p.client.PostForm(web.URL()+"/login", url.Values{"email": {"owner@example.com"}, "password": {"correct horse"}})
	if err != nil {
		t.Fatal(err)
	}
	_ = signed.Body.Close()

	spike := url.Values{"form": {"1"}, "url": {w.receiver.URL("/page")}, "name": {"Ops"}, "format": {"standard"}, "when": {"own"},
		"traffic-spike-on": {"1"}, "traffic-spike-threshold": {"5"}}
	p.goes("GET", "", nil, "Add your first webhook")
	p.goes("GET", "new", nil, "Any goal is completed")
	chart := url.Values{"show": {"traffic.spike"}}
	for name, value := range spike {
		chart[name] = value
	}
	p.goes("POST", "new", chart, "in the last 30 days")
	p.goes("POST", "new", spike, "Webhook added")
	hook := value[int64](w, "select id from plausible_webhooks.webhooks")
	trigger := value[int64](w, "select id from plausible_webhooks.webhook_triggers")
	p.ids = strings.NewReplacer("{webhook}", fmt.Sprint(hook), "{trigger}", fmt.Sprint(trigger))

	p.goes("GET", "{webhook}", nil, "5 or more visitors at once")
	p.goes("GET", "{webhook}/edit", nil, "Ops")
	p.goes("POST", "{webhook}/edit", url.Values{"url": {w.receiver.URL("/page")}, "name": {"Ops of the night"}, "format": {"standard"}, "timeout": {"10"},
		"new-header-0": {"X-Api-Key"}, "new-header-0-value": {"sesame"}}, "Changes saved", "Ops of the night", "X-Api-Key")
	p.goes("GET", "{webhook}/triggers/new", url.Values{"type": {"goal.threshold"}}, "Signup")
	often := url.Values{"type": {"goal.threshold"}, "goal": {fmt.Sprint(goal)}, "threshold": {"3"}, "window": {"300"}, "repeat": {"1"}, "enabled": {"1"}, "show": {"1"}}
	p.goes("GET", "{webhook}/triggers/new", often, "in the last 30 days")
	often.Del("show")
	p.goes("POST", "{webhook}/triggers/new", often, "Trigger added")
	p.goes("GET", "{webhook}/triggers/{trigger}", url.Values{"show": {"1"}, "threshold": {"7"}}, "in the last 30 days")
	p.goes("POST", "{webhook}/triggers/{trigger}", url.Values{"threshold": {"7"}, "window": {"300"}, "repeat": {"1"}, "enabled": {"1"}}, "Trigger saved", "7 or more visitors at once")

	p.goes("POST", "{webhook}/test", url.Values{"event": {"traffic.spike"}}, "traffic.spike")
	w.received("/page", 1, patience)
	delivery := value[string](w, "select id::text from plausible_webhooks.webhook_deliveries")
	if status := w.finished(delivery); status != "delivered" {
		t.Errorf("the test is %s", status)
	}
	p.ids = strings.NewReplacer("{webhook}", fmt.Sprint(hook), "{trigger}", fmt.Sprint(trigger), "{delivery}", delivery)
	p.goes("GET", "{webhook}/deliveries", nil, delivery)
	p.goes("GET", "{webhook}/deliveries", url.Values{"status": {"delivered"}, "event": {"webhook.test"}, "period": {"1h"}}, delivery)
	p.goes("GET", "{webhook}/deliveries", url.Values{"status": {"failed"}}, "No delivery fits")
	p.goes("GET", "{webhook}/deliveries/{delivery}", nil, "Answered 200")
	p.goes("POST", "{webhook}/deliveries/{delivery}/resend", nil)
	w.received("/page", 2, patience)
	w.finished(delivery)
	w.exec("update plausible_webhooks.webhook_deliveries set status = 'failed'")
	p.goes("POST", "{webhook}/deliveries/resend", url.Values{"what": {"failed"}, "since": {"24h"}}, "on the way again")
	w.received("/page", 3, patience)
	w.finished(delivery)

	p.goes("POST", "{webhook}/pause", nil, "Webhook paused")
	p.goes("POST", "{webhook}/resume", nil, "Webhook switched on")
	p.goes("GET", "{webhook}/secret", nil, "Signing secret")
	p.goes("POST", "{webhook}/secret", url.Values{"form": {"2"}, "overlap": {"24h"}}, "whsec_")
	p.goes("POST", "{webhook}/triggers/{trigger}/remove", nil, "Trigger removed")
	p.goes("GET", "{webhook}/delete", nil, "Ops of the night")
	p.goes("POST", "{webhook}/delete", nil, "Add your first webhook")

	for _, known := range settings.Routes() {
		for _, method := range known.Methods {
			if !slices.Contains(p.seen, method+" "+known.Path) {
				t.Errorf("nobody has tried %s %q", method, known.Path)
			}
		}
	}
	w.db(func(conn *pgx.Conn) error { // What was done, was done by the narrow role.
		var others int
		err := conn.QueryRow(t.Context(), `select count(*) from pg_stat_activity where datname = current_database() and application_name = 'plausible-webhooks'
			and usename !~ '^narrow_'`).Scan(&others)
		if err == nil && others > 0 {
			t.Errorf("%d sessions of the sidecar have another role", others)
		}
		return err
	})
	if err := w.process.Stop(); err != nil {
		t.Error(err)
	}
	if errors := w.log.count("[ERROR]") + w.log.count("[WARN]"); errors > 0 {
		t.Errorf("%d lines of trouble in the log", errors)
	}
}
