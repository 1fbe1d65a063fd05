package server_test

import (
	"context"
	"errors"
	"html/template"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"plausible-webhooks/config/settings"
	"plausible-webhooks/config/settings/gate"
	"plausible-webhooks/config/settings/server"
	"plausible-webhooks/deploy/devstack/plausible"
	"plausible-webhooks/deploy/devstack/stack"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5/pgxpool"
)

func TestMain(m *testing.M) { os.Exit(stack.Main(m)) }

const (
	domain   = "example.com/shop"
	encoded  = "/example.com%2Fshop"
	page     = encoded + "/settings/webhooks"
	password = "correct horse"

	// siteData is on every page of the fake, and may be seen by nobody else.
	siteData = "data-of-the-site"
)

// fakePages remembers visits and answers all of them.
type fakePages struct {
	mu     sync.Mutex // Guards what follows.
	visits []settings.Visit
	answer func(settings.Visit, string) (settings.Page, error) // Nil: a page with siteData.
}

func (f *fakePages) Serve(_ context.Context, v settings.Visit, method string) (settings.Page, error) {
	f.mu.Lock()
	f.visits = append(f.visits, v)
	answer := f.answer
	f.mu.Unlock()
	if answer != nil {
		return answer(v, method)
	}
	return settings.Page{Title: "Webhooks", Body: template.HTML("<p>" + siteData + " of " + template.HTMLEscapeString(v.Site.Domain) + "</p>")}, nil
}

func (f *fakePages) seen() []settings.Visit {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]settings.Visit(nil), f.visits...)
}

// world is the server between a real PostgreSQL, the stand-in for Plausible and
// a browser.
type world struct {
	t        *testing.T
	db       *pgxpool.Pool
	web      *plausible.Server
	owner    plausible.Account
	site     int64
	pages    *fakePages
	log      *strings.Builder
	address  string // Of the server, which is BASE_URL as well.
	plain    bool   // The stand-in's layout is not recognised.
	database gate.Database
	real     server.Pages     // Instead of the fake; nil: the fake.
	front    *httptest.Server // What Plausible is reached by; nil: directly.
}

func newWorld(t *testing.T, options ...func(*world)) *world {
	t.Helper()
	w := &world{t: t, pages: &fakePages{}, log: &strings.Builder{}}
	database := stack.TestDatabase(t, stack.V32)
	var err error
	if w.db, err = pgxpool.New(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.db.Close)
	if w.owner, err = plausible.AddAccount(t.Context(), w.db, "owner@example.com", password); err != nil {
		t.Fatal(err)
	}
	if w.site, err = w.owner.AddSite(t.Context(), w.db, stack.Site{Domain: domain, Timezone: "Europe/Tallinn"}); err != nil {
		t.Fatal(err)
	}
	w.database = w.db
	for _, option := range options {
		option(w)
	}
	layout := plausible.Current
	if w.plain {
		layout = plausible.Unknown
	}
	// No ClickHouse: nothing here counts visitors.
	if w.web, err = plausible.Start(t.Context(), plausible.Options{DatabaseURL: database, Layout: layout}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.web.Stop)
	w.serve()
	return w
}

// serve starts the server under test at an address that it knows as BASE_URL.
func (w *world) serve() {
	w.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.address = "http://" + listener.Addr().String()
	upstream := w.web.URL()
	if w.front != nil {
		upstream = w.front.URL
	}
	pages := server.Pages(w.pages)
	if w.real != nil {
		pages = w.real
	}
	handler, err := server.New(server.Options{
		Patience: time.Minute, // A busy machine is not what these tests are about.
		DB:       w.database, Plausible: w.parse(upstream), Base: w.parse(w.address), Pages: pages,
		Asset: func(name string) ([]byte, string, bool) {
			return []byte("/* of the pages */"), "text/css; charset=utf-8", name == "pages-0123456789ab.css"
		},
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: &lockedWriter{w: w.log}}),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(handler.Close)
	running := &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler}}
	running.Start()
	w.t.Cleanup(running.Close)
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func (w *world) parse(address string) url.URL {
	w.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		w.t.Fatal(err)
	}
	return *u
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.db.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

// browser keeps cookies and follows nothing.
type browser struct {
	w      *world
	client *http.Client
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	w.t.Cleanup(client.CloseIdleConnections)
	return &browser{w, client}
}

// signedIn is a browser whose person has signed in to Plausible. Cookies do not
// know ports, so they go to the server under test as well.
func (w *world) signedIn(email string) *browser {
	w.t.Helper()
	b := w.browser()
	got := b.do(b.request(http.MethodPost, w.web.URL()+"/login", url.Values{"email": {email}, "password": {password}}))
	if got.status != http.StatusFound {
		w.t.Fatalf("sign in as %s = %d; want 302", email, got.status)
	}
	return b
}

func (w *world) ownerBrowser() *browser { return w.signedIn("owner@example.com") }

// answered is what came back.
type answered struct {
	status int
	header http.Header
	body   string
}

func (b *browser) request(method, address string, form url.Values) *http.Request {
	b.w.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(b.w.t.Context(), method, address, body)
	if err != nil {
		b.w.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if method == http.MethodPost {
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		req.Header.Set("Origin", b.w.address)
	}
	return req
}

func (b *browser) do(req *http.Request) answered {
	b.w.t.Helper()
	resp, err := b.client.Do(req)
	if err != nil {
		b.w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.w.t.Fatal(err)
	}
	return answered{resp.StatusCode, resp.Header, string(body)}
}

func (b *browser) get(path string) answered {
	b.w.t.Helper()
	return b.do(b.request(http.MethodGet, b.w.address+path, nil))
}

func (b *browser) post(path string, form url.Values) answered {
	b.w.t.Helper()
	if form == nil {
		form = url.Values{}
	}
	return b.do(b.request(http.MethodPost, b.w.address+path, form))
}

// wantShown fails unless the fake's page is in the answer.
func (w *world) wantShown(what string, got answered) {
	w.t.Helper()
	if got.status != http.StatusOK || !strings.Contains(got.body, siteData) {
		w.t.Errorf("%s = %d; want 200 with the page:\n%.2000s", what, got.status, got.body)
	}
}

// wantNothing fails if the pages were asked for anything, or data is shown.
func (w *world) wantNothing(what string, got answered) {
	w.t.Helper()
	if strings.Contains(got.body, siteData) {
		w.t.Errorf("%s shows data of the site:\n%s", what, got.body)
	}
	if visits := w.pages.seen(); len(visits) > 0 {
		w.t.Errorf("%s: the pages were asked for %v; want no question before permission", what, visits[0].Rest)
	}
}

var errBroken = errors.New("relation secret_table is broken")
