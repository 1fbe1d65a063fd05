package server_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"plausible-webhooks/config/settings/gate"
	"plausible-webhooks/deploy/devstack/plausible"
	"plausible-webhooks/deploy/devstack/stack"

	"github.com/jackc/pgx/v5"
)

// before puts something between the server and Plausible.
func (w *world) before(change func(http.ResponseWriter, *http.Request) (done bool)) {
	proxy := httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		upstream := w.parse(w.web.URL())
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = upstream.Scheme, upstream.Host, r.In.Host
	}}
	w.front = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !change(rw, r) {
			proxy.ServeHTTP(rw, r)
		}
	}))
	w.t.Cleanup(w.front.Close)
}

// A later version of Plausible may rename the page that the gate asks for. Its
// catch-all then answers with the dashboard, to strangers too where it is public.
func TestDashboardOfPublicSiteLetsNobodyIn(t *testing.T) {
	w := newWorld(t, func(w *world) {
		w.before(func(_ http.ResponseWriter, r *http.Request) bool {
			r.URL.RawPath = strings.Replace(r.URL.EscapedPath(), "/email-reports", "/renamed", 1)
			r.URL.Path = strings.Replace(r.URL.Path, "/email-reports", "/renamed", 1)
			return false
		})
	})
	w.exec(`update sites set public = true`)
	for who, b := range map[string]*browser{"nobody": w.browser(), "a stranger": w.person(""), "the owner": w.ownerBrowser()} {
		got := b.get(page)
		w.wantNothing(who, got)
		if got.status != http.StatusBadGateway || !strings.Contains(got.body, "not recognised") {
			t.Errorf("%s gets %d; want 502 that says why:\n%s", who, got.status, got.body)
		}
	}
}

// raw sends a request target as it stands.
func (b *browser) raw(target string) answered {
	b.w.t.Helper()
	address := b.w.parse(b.w.address)
	conn, err := net.Dial("tcp", address.Host)
	if err != nil {
		b.w.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	var cookies []string
	for _, cookie := range b.client.Jar.Cookies(&address) {
		cookies = append(cookies, cookie.String())
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nCookie: %s\r\n\r\n", target, address.Host, strings.Join(cookies, "; ")); err != nil {
		b.w.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		b.w.t.Fatalf("%s: %v", target, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body := new(strings.Builder)
	_, _ = bufio.NewReader(resp.Body).WriteTo(body)
	return answered{resp.StatusCode, resp.Header, body.String()}
}

func TestPathsAreDecodedOnceAndNeverCleaned(t *testing.T) {
	w := newWorld(t)
	b := w.ownerBrowser()
	other, err := plausible.AddAccount(t.Context(), w.db, "victim@example.com", password)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.AddSite(t.Context(), w.db, stack.Site{Domain: "victim.example", Public: true}); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{
		"/example.com%252Fshop/settings/webhooks", "/example.com%25252Fshop/settings/webhooks",
		"/example.com/shop/settings/webhooks", "/example.com%2Fshop%2Fsettings%2Fwebhooks", "/example.com%2Fshop/settings%2Fwebhooks",
		"//example.com%2Fshop/settings/webhooks", "/example.com%2Fshop//settings/webhooks", "/example.com%2Fshop/settings//webhooks",
		"/example.com%2Fshop/settings/webhooks//", "/example.com%2Fshop/settings/webhooks//1",
		"/victim.example/../example.com%2Fshop/settings/webhooks", "/example.com%2Fshop/../victim.example/settings/webhooks",
		"/example.com%2Fshop/settings/webhooks/../../../victim.example/settings/webhooks",
		"/example.com%2Fshop/settings/webhooks/..%2F..%2F..%2Fvictim.example", "/example.com%2Fshop/settings/webhooks/%2e%2e",
		"/example.com%2Fshop/settings/x/../webhooks", "/example.com%2Fshop/settings/../settings/webhooks", "/example.com%2Fshop/settings/%2e%2e/webhooks",
		"/victim.example/settings/webhooks", "/victim.example%3F/settings/webhooks", "/victim.example%23/settings/webhooks", "/victim.example%00/settings/webhooks",
		"/..%2Fvictim.example/settings/webhooks", "/../settings/webhooks", "/./settings/webhooks", "/%2e/settings/webhooks", "/%2E%2E/settings/webhooks", "//settings/webhooks",
		"/victim.example%2F..%2Fexample.com%2Fshop/settings/webhooks", "/example.com%2Fshop%5C..%5C..%5Cvictim.example/settings/webhooks",
		"/EXAMPLE.com%2Fshop/settings/webhooks", "/example.com%2Fshop%20/settings/webhooks", "/example.com%2Fshop/Settings/Webhooks",
		"/example.com%2Fshop/%73ettings/webhooks", "/example.com%2Fshop/settings/%77ebhooks",
		"http://victim.example/victim.example/settings/webhooks", "/sites/settings/webhooks", "/settings/settings/webhooks",
	} {
		got := b.raw(target)
		w.wantNothing(target, got)
		if location := got.header.Get("Location"); location != "" {
			t.Errorf("%s leads to %q; want no redirect", target, location)
		}
	}
	for _, target := range []string{page, page + "/", "/example.com%2fshop/settings/webhooks", "/%65xample.com%2Fshop/settings/webhooks?x=%2e%2e%2F"} {
		w.wantShown(target, b.raw(target))
	}
	for _, visit := range w.pages.seen() {
		if visit.Site.Domain != domain || visit.Base != page || len(visit.Rest) != 0 {
			t.Errorf("visit of %q at %q %q; want %q at %q", visit.Site.Domain, visit.Base, visit.Rest, domain, page)
		}
	}
}

// between does something before the second look into PostgreSQL.
type between struct {
	gate.Database
	looks atomic.Int32
	do    func()
}

func (b *between) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if b.looks.Add(1) == 2 {
		b.do()
	}
	return b.Database.QueryRow(ctx, sql, args...)
}

func TestDomainTakenOverBetweenTwoReads(t *testing.T) {
	for what, change := range map[string]string{
		"renamed and taken over": `update sites set domain = 'renamed.example';
			insert into sites (domain, timezone, inserted_at, updated_at) values ('example.com/shop', 'Etc/UTC', now(), now())`,
		"renamed":      `update sites set domain = 'renamed.example', domain_changed_from = domain, domain_changed_at = now()`,
		"deleted":      `delete from sites`,
		"consolidated": `update sites set consolidated = true`,
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t, func(w *world) {
				w.database = &between{Database: w.db, do: func() { w.exec(change) }}
			})
			got := w.ownerBrowser().get(page)
			w.wantNothing(what, got)
			if got.status != http.StatusConflict {
				t.Errorf("the page of a site that was %s meanwhile = %d; want 409", what, got.status)
			}
		})
	}
}

func TestFormerDomainOpensNothing(t *testing.T) {
	w := newWorld(t)
	b := w.ownerBrowser()
	w.exec(`update sites set domain = 'new.example', domain_changed_from = 'example.com/shop', domain_changed_at = now()`)
	got := b.get(page)
	w.wantNothing("the former domain", got)
	if got.status != http.StatusNotFound {
		t.Errorf("the former domain = %d; want Plausible's 404", got.status)
	}
	w.wantShown("the new domain", b.get("/new.example/settings/webhooks"))
}

func TestConsolidatedSitesAreNone(t *testing.T) {
	w := newWorld(t)
	w.exec(`update sites set consolidated = true`)
	got := w.ownerBrowser().get(page)
	w.wantNothing("a consolidated site", got)
	if got.status != http.StatusNotFound {
		t.Errorf("a consolidated site = %d; want 404", got.status)
	}
}

func TestFormsOfOtherOriginsChangeNothing(t *testing.T) {
	for what, headers := range map[string]map[string]string{
		"cross-site":             {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
		"same-site":              {"Sec-Fetch-Site": "same-site", "Origin": "http://evil.127.0.0.1"},
		"an old browser":         {"Origin": "https://evil.example"},
		"a sandboxed frame":      {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
		"an origin that is null": {"Origin": "null"},
	} {
		w := newWorld(t)
		b := w.ownerBrowser()
		req := b.request(http.MethodPost, w.address+page+"/new", url.Values{"name": {"x"}})
		req.Header.Del("Sec-Fetch-Site")
		req.Header.Del("Origin")
		for name, value := range headers {
			req.Header.Set(name, value)
		}
		got := b.do(req)
		w.wantNothing(what, got)
		if got.status != http.StatusForbidden {
			t.Errorf("a form from %s = %d; want 403", what, got.status)
		}
	}
}

func TestFormsOfOurOwnOriginArrive(t *testing.T) {
	w := newWorld(t)
	b := w.ownerBrowser()
	req := b.request(http.MethodPost, w.address+page+"/new", url.Values{"name": {"Ops & more"}})
	req.Header.Del("Sec-Fetch-Site")
	// A proxy that does not keep the Host; the jar would go by that.
	req.Host = "plausible:8000"
	for _, cookie := range b.client.Jar.Cookies(req.URL) {
		req.AddCookie(cookie)
	}
	w.wantShown("a form of BASE_URL", b.do(req))
	visits := w.pages.seen()
	if len(visits) != 1 || visits[0].Form.Get("name") != "Ops & more" || visits[0].Site.ID != w.site || visits[0].Site.Timezone != "Europe/Tallinn" {
		t.Errorf("visits = %+v; want one with the form and the site", visits)
	}
}

func TestSessionThatEndsBetweenGetAndPost(t *testing.T) {
	for what, end := range map[string]string{
		"signed out":         `delete from user_sessions`,
		"expired":            `update user_sessions set timeout_at = now() - interval '1 day'`,
		"no longer a member": `delete from team_memberships`,
		"now a viewer":       `update team_memberships set role = 'viewer'`,
	} {
		w := newWorld(t)
		b := w.ownerBrowser()
		w.wantShown("the page before", b.get(page))
		w.exec(end)
		got := b.post(page+"/1/delete", nil)
		if visits := w.pages.seen(); len(visits) != 1 || strings.Contains(got.body, siteData) {
			t.Errorf("%s: a form still arrived, or data was shown: %+v", what, visits)
		}
		if got.status != http.StatusSeeOther && got.status != http.StatusNotFound {
			t.Errorf("%s: form = %d; want to be sent to sign in, or Plausible's 404", what, got.status)
		}
	}
}
