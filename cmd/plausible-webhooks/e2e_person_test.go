package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/plausible"
	"plausible-webhooks/deploy/devstack/stack"

	"github.com/jackc/pgx/v5"
)

// person is signed in to Plausible and edits the settings of their sites.
type person struct {
	account plausible.Account
	server  *plausible.Server
	client  *http.Client

	signing sync.Mutex
	token   string // Against cross-site requests; one for the session.
}

const personPassword = "correct horse"

func newPerson(t *testing.T, w *world) *person {
	t.Helper()
	server, err := plausible.Start(t.Context(), plausible.Options{DatabaseURL: w.database, ClickHouseURL: w.events, FlushInterval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &person{server: server, client: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	w.db(func(conn *pgx.Conn) (err error) {
		p.account, err = plausible.AddAccount(t.Context(), conn, "owner@example.com", personPassword)
		return err
	})
	p.send(t, "/login", url.Values{"email": {"owner@example.com"}, "password": {personPassword}})
	return p
}

// addSite makes a site of the person, old enough to have a past.
func (p *person) addSite(w *world, domain string) (id int64) {
	w.t.Helper()
	w.db(func(conn *pgx.Conn) (err error) {
		id, err = p.account.AddSite(w.t.Context(), conn, stack.Site{Domain: domain, NativeStatsStartAt: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)})
		return err
	})
	return id
}

var csrfField = regexp.MustCompile(`name="_csrf_token" value="([0-9a-f]+)"`)

// submit submits a form of a site's settings; method is that of Plausible's
// route.
func (p *person) submit(t *testing.T, method, domain, path string, form url.Values) {
	t.Helper()
	p.signing.Lock()
	if p.token == "" {
		answer, err := p.client.Get(p.server.URL() + "/" + domain + "/settings/goals")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if found := csrfField.FindSubmatch(body); err == nil && found != nil {
			p.token = string(found[1])
		} else {
			t.Fatalf("no CSRF token in the settings (%v):\n%s", err, body)
		}
	}
	p.signing.Unlock()
	if form == nil {
		form = url.Values{}
	}
	form.Set("_csrf_token", p.token)
	if method != http.MethodPost {
		form.Set("_method", strings.ToLower(method))
	}
	p.send(t, path, form)
}

// send posts a form, which Plausible answers with a redirect once it is done.
func (p *person) send(t *testing.T, path string, form url.Values) {
	t.Helper()
	answer, err := p.client.PostForm(p.server.URL()+path, form)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if body, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusFound {
		t.Fatalf("%s: %d\n%s", path, answer.StatusCode, body)
	}
}
