package server_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"plausible-webhooks/config/settings"
	"plausible-webhooks/config/settings/server"
)

func TestAnswersForPeopleAreProtected(t *testing.T) {
	w := newWorld(t)
	owner, stranger := w.ownerBrowser(), w.person("")
	cross := owner.request(http.MethodPost, w.address+page, url.Values{})
	cross.Header.Set("Sec-Fetch-Site", "cross-site")
	cross.Header.Set("Origin", "https://evil.example")
	for what, got := range map[string]answered{
		"the page": owner.get(page), "a form": owner.post(page, nil), "a redirect": w.browser().get(page), "a 404": stranger.get(page),
		"a refusal": owner.do(cross), "PUT": owner.do(owner.request(http.MethodPut, w.address+page, nil)),
	} {
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "Vary": "Cookie", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Referrer-Policy": "strict-origin-when-cross-origin",
		} {
			if value := got.header.Get(name); value != want {
				t.Errorf("%s has %s %q; want %q", what, name, value, want)
			}
		}
		if policy := got.header.Get("Content-Security-Policy"); !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("%s may be framed: %q", what, policy)
		}
	}
}

var nonceOf = regexp.MustCompile(`'nonce-([A-Z2-7]{26})'`)

func TestNonceIsNewEachTime(t *testing.T) {
	w := newWorld(t)
	b := w.ownerBrowser()
	seen := map[string]bool{}
	for range 3 {
		got := b.get(page)
		found := nonceOf.FindStringSubmatch(got.header.Get("Content-Security-Policy"))
		if found == nil || !strings.Contains(got.body, `nonce="`+found[1]+`"`) || seen[found[1]] {
			t.Errorf("policy %q; want a new nonce that the page's scripts have", got.header.Get("Content-Security-Policy"))
			continue
		}
		seen[found[1]] = true
	}
}

func TestShellIsPlausiblesOwn(t *testing.T) {
	w := newWorld(t)
	got := w.ownerBrowser().get(page)
	for _, want := range []string{`href="/css/app.css"`, `data-testid="settings-sidebar"`, "Settings for example.com/shop", `<a href="` + page + `" class="`, "<title>Webhooks · example.com/shop · Plausible</title>"} {
		if !strings.Contains(got.body, want) {
			t.Errorf("no %s in\n%s", want, got.body)
		}
	}
	if strings.Contains(got.body, "Traffic spike notifications") {
		t.Error("the content of Plausible's page is still there")
	}
	if len(got.header.Values("Set-Cookie")) == 0 {
		t.Error("Plausible's refreshed cookie was not passed on")
	}
}

func TestUnknownLayoutGetsThePlainOne(t *testing.T) {
	w := newWorld(t, func(w *world) { w.plain = true })
	got := w.ownerBrowser().get(page)
	w.wantShown("the page", got)
	if !strings.Contains(got.body, `class="pw-plain"`) || strings.Contains(got.body, "/css/app.css") {
		t.Errorf("want our own layout:\n%s", got.body)
	}
}

func TestAssetsNeedNoPermissionAndNeverChange(t *testing.T) {
	w := newWorld(t)
	paths := regexp.MustCompile(`(?:href|src)="(`+regexp.QuoteMeta(page)+`/assets/[^"]+)"`).FindAllStringSubmatch(w.ownerBrowser().get(page).body, -1)
	if len(paths) < 2 {
		t.Fatalf("the page links %d assets; want a style and a script at least", len(paths))
	}
	paths = append(paths, []string{"", page + "/assets/pages-0123456789ab.css"})
	b := w.browser()
	for _, path := range paths {
		got := b.get(path[1])
		if got.status != http.StatusOK || got.body == "" || !strings.Contains(got.header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s = %d, %q; want 200, immutable", path[1], got.status, got.header.Get("Cache-Control"))
		}
		again := b.request(http.MethodGet, w.address+path[1], nil)
		again.Header.Set("If-None-Match", got.header.Get("ETag"))
		if got := b.do(again); got.status != http.StatusNotModified {
			t.Errorf("%s again = %d; want 304", path[1], got.status)
		}
	}
	for _, name := range []string{"shell.css", "shell-0000000000000000.css", "..%2Fshell.css", "%2e%2e"} {
		if got := b.get(page + "/assets/" + name); got.status == http.StatusOK {
			t.Errorf("asset %s = 200; want none", name)
		}
	}
	if got := b.post(page+"/assets/shell.css", nil); got.status != http.StatusMethodNotAllowed {
		t.Errorf("POST of an asset = %d; want 405", got.status)
	}
}

func TestFormsAreBounded(t *testing.T) {
	w := newWorld(t)
	b := w.ownerBrowser()
	fits := strings.Repeat("x", server.MaxForm-len("name="))
	if got := b.post(page, url.Values{"name": {fits}}); got.status != http.StatusOK {
		t.Errorf("a form of 64 KiB = %d; want 200", got.status)
	}
	before := len(w.pages.seen())
	if got := b.post(page, url.Values{"name": {fits + "x"}}); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a form of a byte more = %d; want 413", got.status)
	}
	for _, kind := range []string{"multipart/form-data; boundary=x", "application/json", "text/plain", ""} {
		req := b.request(http.MethodPost, w.address+page, url.Values{"name": {"x"}})
		req.Header.Set("Content-Type", kind)
		if got := b.do(req); got.status != http.StatusUnsupportedMediaType {
			t.Errorf("a form of type %q = %d; want 415", kind, got.status)
		}
	}
	if after := len(w.pages.seen()); after != before {
		t.Errorf("%d refused forms reached the pages", after-before)
	}
	for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS"} {
		if got := b.do(b.request(method, w.address+page, nil)); got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") == "" {
			t.Errorf("%s = %d; want 405", method, got.status)
		}
	}
}

func TestErrorsShowAReferenceAndNoDetail(t *testing.T) {
	for what, answer := range map[string]func(settings.Visit, string) (settings.Page, error){
		"an error": func(settings.Visit, string) (settings.Page, error) { return settings.Page{}, errBroken },
		"a panic":  func(settings.Visit, string) (settings.Page, error) { panic(errBroken) },
		"leading away": func(settings.Visit, string) (settings.Page, error) {
			return settings.Page{GoTo: "https://evil.example"}, nil
		},
		"a neighbour": func(settings.Visit, string) (settings.Page, error) { return settings.Page{GoTo: page + "-evil"}, nil },
	} {
		w := newWorld(t)
		w.pages.answer = answer
		got := w.ownerBrowser().get(page + "/1?q=very-private")
		reference := regexp.MustCompile(`reference ([A-Z2-7]{10})`).FindStringSubmatch(got.body)
		if got.status != http.StatusInternalServerError || reference == nil || strings.Contains(got.body, "secret_table") {
			t.Errorf("%s = %d; want 500 with a reference only:\n%s", what, got.status, got.body)
			continue
		}
		log := w.log.String()
		if !strings.Contains(log, reference[1]) {
			t.Errorf("%s: the reference %s is not in the log:\n%s", what, reference[1], log)
		}
		for _, private := range []string{"very-private", "example.com%2Fshop", "_plausible_key"} {
			if strings.Contains(log, private) {
				t.Errorf("%s: the log has %q:\n%s", what, private, log)
			}
		}
	}
}

func TestDoneFormsLeadOn(t *testing.T) {
	w := newWorld(t)
	w.pages.answer = func(v settings.Visit, _ string) (settings.Page, error) {
		return settings.Page{GoTo: v.Base + "/1?done=saved"}, nil
	}
	got := w.ownerBrowser().post(page+"/1/edit", nil)
	if got.status != http.StatusSeeOther || got.header.Get("Location") != page+"/1?done=saved" {
		t.Errorf("a form that is done = %d to %q; want 303", got.status, got.header.Get("Location"))
	}
}

func TestPlausibleAway(t *testing.T) {
	w := newWorld(t)
	b := w.ownerBrowser()
	w.web.Stop()
	got := b.get(page)
	w.wantNothing("without Plausible", got)
	if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "WEBHOOKS_PLAUSIBLE_URL") || strings.Contains(got.body, "example.com") && strings.Contains(got.body, "Settings for") {
		t.Errorf("without Plausible = %d; want 503 that says so:\n%s", got.status, got.body)
	}
	if got := b.get(encoded + "/settings/general"); got.status != http.StatusBadGateway {
		t.Errorf("general without Plausible = %d; want 502, on which proxies fall back", got.status)
	}
}

func TestPostgresAway(t *testing.T) {
	w := newWorld(t)
	b := w.ownerBrowser()
	w.db.Close()
	got := b.get(page)
	w.wantNothing("without PostgreSQL", got)
	if got.status != http.StatusServiceUnavailable {
		t.Errorf("without PostgreSQL = %d; want 503", got.status)
	}
	// Plausible itself is there.
	if got := b.get(encoded + "/settings/general"); got.status != http.StatusOK || !strings.Contains(got.body, `href="`+page+`"`) {
		t.Errorf("general without PostgreSQL = %d; want it with the entry", got.status)
	}
}

func TestWhatIsPlausiblesIsRefused(t *testing.T) {
	w := newWorld(t)
	b := w.ownerBrowser()
	for _, tc := range []struct{ method, path string }{
		{"POST", "/api/event"}, {"GET", "/api/event"}, {"GET", "/js/script.js"}, {"GET", "/live/websocket"}, {"GET", "/"}, {"GET", encoded},
		{"GET", encoded + "/settings"}, {"POST", encoded + "/settings/goals"}, {"PUT", encoded + "/settings/features"}, {"DELETE", encoded + "/settings/x"},
	} {
		if got := b.do(b.request(tc.method, w.address+tc.path, nil)); got.status != http.StatusMisdirectedRequest {
			t.Errorf("%s %s = %d; want 421", tc.method, tc.path, got.status)
		}
	}
	req := b.request(http.MethodGet, w.address+encoded+"/settings/general", nil)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "websocket")
	if got := b.do(req); got.status != http.StatusMisdirectedRequest {
		t.Errorf("a websocket = %d; want 421", got.status)
	}
}

func TestOwnTimeIsTold(t *testing.T) {
	w := newWorld(t)
	got := w.ownerBrowser().get(page)
	var plausible, own float64
	if _, err := fmt.Sscanf(got.header.Get("Server-Timing"), "plausible;dur=%g, own;dur=%g", &plausible, &own); err != nil || plausible <= 0 || own <= 0 {
		t.Errorf("Server-Timing = %q; want both times", got.header.Get("Server-Timing"))
	}
	if log := w.log.String(); !strings.Contains(log, "own=") || strings.Contains(log, "example.com") {
		t.Errorf("log = %q; want the time, and no site's name", log)
	}
}

func TestEntryIsAddedToWhatPassesThrough(t *testing.T) {
	w := newWorld(t)
	b := w.ownerBrowser()
	for _, tab := range []string{"general", "people", "goals", "email-reports", "danger-zone", "shields/pages"} {
		theirs := b.do(b.request(http.MethodGet, w.web.URL()+encoded+"/settings/"+tab, nil))
		got := b.get(encoded + "/settings/" + tab)
		link, option := strings.Count(got.body, `href="`+page+`"`), strings.Count(got.body, `<option value="webhooks">Webhooks</option>`)
		if got.status != http.StatusOK || link != 1 || option != 1 {
			t.Errorf("%s = %d with %d links and %d options; want one each", tab, got.status, link, option)
		}
		without := regexp.MustCompile(`<a href="`+regexp.QuoteMeta(page)+`".*?</a>|<option value="webhooks">Webhooks</option>`).ReplaceAllString(got.body, "")
		if without != theirs.body {
			t.Errorf("%s differs by more than the entry", tab)
		}
	}
	if got := w.browser().get(encoded + "/settings/general?a=b"); got.status != http.StatusFound || !strings.HasPrefix(got.header.Get("Location"), "/login?return_to=") {
		t.Errorf("general for nobody = %d to %q; want Plausible's own redirect", got.status, got.header.Get("Location"))
	}
}

func TestHeadOfThePageHasNoBody(t *testing.T) {
	w := newWorld(t)
	b := w.ownerBrowser()
	if got := b.do(b.request(http.MethodHead, w.address+page, nil)); got.status != http.StatusOK || !bytes.Equal([]byte(got.body), nil) {
		t.Errorf("HEAD = %d %q; want 200 without a body", got.status, got.body)
	}
}
