package gate_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config/settings/gate"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

const (
	domain   = "example.com/ünï"
	asked    = "/example.com%2F%C3%BCn%C3%AF/settings/email-reports"
	page     = "/example.com%2F%C3%BCn%C3%AF/settings/webhooks"
	settings = `<!DOCTYPE html><a href="` + asked + `">Email reports</a>`
)

// sites is a PostgreSQL in which every domain has the id 7.
type sites struct{ err error }

func (s sites) QueryRow(_ context.Context, _ string, args ...any) pgx.Row {
	return row{args[0].(string), s.err}
}

type row struct {
	domain string
	err    error
}

func (r row) Scan(into ...any) error {
	if r.err != nil {
		return r.err
	}
	*into[0].(*int64), *into[1].(*string), *into[2].(*string) = 7, r.domain, "Etc/UTC"
	return nil
}

// open returns a gate whose Plausible is the handler and whose BASE_URL is
// https://stats.example.com.
func open(t *testing.T, plausible http.HandlerFunc, options ...func(*gate.Options)) *gate.Gate {
	t.Helper()
	upstream := httptest.NewServer(plausible)
	t.Cleanup(upstream.Close)
	where, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	o := gate.Options{DB: sites{}, Plausible: *where, Base: url.URL{Scheme: "https", Host: "stats.example.com"}, Patience: time.Minute}
	for _, option := range options {
		option(&o)
	}
	g := gate.New(o)
	t.Cleanup(g.Close)
	return g
}

func visitor(t *testing.T) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://stats.example.com"+page+"?secret=query", nil)
	r.RemoteAddr = "10.0.0.9:1234"
	return r.WithContext(t.Context())
}

func TestQuestionIsRebuilt(t *testing.T) {
	var got *http.Request
	g := open(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Clone(context.WithoutCancel(r.Context()))
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, settings)
	})
	r := visitor(t)
	for name, value := range map[string]string{
		"Cookie": "_plausible_key=abc; logged_in=true", "Accept-Language": "et", "User-Agent": "Firefox", "X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "http",
		"Authorization": "Bearer x", "Referer": "https://elsewhere.example/", "X-Forwarded-Host": "evil.example", "X-Custom": "y", "Range": "bytes=0-1", "If-None-Match": "z",
	} {
		r.Header.Set(name, value)
	}
	verdict, err := g.Ask(t.Context(), r, domain, page)
	if err != nil || !verdict.Allowed || verdict.Site != (gate.Site{ID: 7, Domain: domain, Timezone: "Etc/UTC"}) {
		t.Fatalf("verdict = %+v, %v; want allowed", verdict, err)
	}
	if got.Method != http.MethodGet || got.RequestURI != asked || got.Host != "stats.example.com" {
		t.Errorf("asked %s %s of %s; want GET %s of stats.example.com", got.Method, got.RequestURI, got.Host, asked)
	}
	want := http.Header{
		"Accept": {"text/html"}, "Accept-Encoding": {"gzip"}, "Accept-Language": {"et"}, "Cookie": {"_plausible_key=abc; logged_in=true"},
		"User-Agent": {"Firefox"}, "X-Forwarded-For": {"198.51.100.7, 10.0.0.9"}, "X-Forwarded-Proto": {"https"},
	}
	if diff := cmp.Diff(want, got.Header); diff != "" {
		t.Errorf("headers of the question (-want +got):\n%s", diff)
	}
}

func TestWhatAllows(t *testing.T) {
	for _, tc := range []struct {
		name, contentType, body string
		status                  int
		allowed                 bool
	}{
		{"the page", "text/html; charset=utf-8", settings, 200, true},
		{"its forms alone", "text/html", `<form action="/sites/example.com%2F%C3%BCn%C3%AF/weekly-report/enable">`, 200, true},
		{"another status", "text/html", settings, 203, false},
		{"partial", "text/html", settings, 206, false},
		{"no content", "text/html", "", 200, false},
		{"JSON", "application/json", settings, 200, false},
		{"no type", "", settings, 200, false},
		{"type that only begins so", "text/html-ish", settings, 200, false},
		{"forbidden", "text/html", settings, 403, false},
		{"broken", "text/html", settings, 500, false},
		{"dashboard", "text/html", `<h1>example.com/ünï</h1><a href="/example.com%2F%C3%BCn%C3%AF">stats</a>`, 200, false},
		{"only named in text", "text/html", `<p>` + asked + `</p><!-- <a href="` + asked + `"> --><script>"<a href='` + asked + `'>"</script>`, 200, false},
		{"of another site", "text/html", `<a href="/example.com/settings/email-reports">`, 200, false},
		{"deeper", "text/html", `<a href="` + asked + `/more">`, 200, false},
		{"sign-in form that leads back", "text/html", `<a href="/login?return_to=` + asked + `">`, 200, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := open(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{tc.contentType}
				w.WriteHeader(tc.status)
				fmt.Fprint(w, tc.body)
			})
			verdict, err := g.Ask(t.Context(), visitor(t), domain, page)
			if verdict.Allowed != tc.allowed || (err == nil) != tc.allowed {
				t.Errorf("allowed %v, %v; want %v", verdict.Allowed, err, tc.allowed)
			}
			var trouble *gate.Trouble
			if err != nil && !errors.As(err, &trouble) {
				t.Errorf("error is a %T; want a Trouble", err)
			}
		})
	}
}

func TestRedirects(t *testing.T) {
	back := url.QueryEscape(page)
	for _, tc := range []struct{ location, want string }{
		{"/login?return_to=" + url.QueryEscape(asked), "/login?return_to=" + back},
		{"/login", "/login?return_to=" + back},
		{"/activate", "/activate?return_to=" + back},
		{"/2fa/setup/force-initiate?x=1", "/2fa/setup/force-initiate?return_to=" + back + "&x=1"},
		{"https://stats.example.com/login", "/login?return_to=" + back},
		{"https://STATS.example.com:443/login", "Plausible redirects to another address"},
		{"http://stats.example.com/login", "/login?return_to=" + back},
		{asked, "Plausible redirects in circles"},
		{"https://stats.example.com" + asked, "Plausible redirects in circles"},
		{"https://other.example.com" + asked, "Plausible redirects in circles"},
		{"/example.com%2fünï/settings/email-reports", "Plausible redirects in circles"},
		{"https://evil.example/login", "Plausible redirects to another address"},
		{"//evil.example/login", "Plausible redirects to another address"},
		{"///evil.example/login", "Plausible redirects to another address"},
		{`/\evil.example/login`, "Plausible redirects to another address"},
		{"/%5Cevil.example", "Plausible redirects to another address"},
		{"javascript:alert(1)", "Plausible redirects to another address"},
		{"https://user@evil.example/", "Plausible redirects to another address"},
		{"", "Plausible did not say whether you may see this page"},
	} {
		g := open(t, func(w http.ResponseWriter, _ *http.Request) {
			if tc.location != "" {
				w.Header().Set("Location", tc.location)
			}
			w.Header().Add("Set-Cookie", "a=1")
			w.Header().Add("Set-Cookie", "b=2")
			w.WriteHeader(http.StatusFound)
		})
		verdict, err := g.Ask(t.Context(), visitor(t), domain, page)
		var trouble *gate.Trouble
		got := verdict.Answer.Location
		if errors.As(err, &trouble) {
			got = trouble.Title
		}
		if got != tc.want || verdict.Allowed {
			t.Errorf("redirect to %q = %q (%v); want %q", tc.location, got, err, tc.want)
		}
		if len(verdict.Answer.SetCookie) != 2 {
			t.Errorf("redirect to %q: cookies %q; want both", tc.location, verdict.Answer.SetCookie)
		}
	}
}

func TestNotFoundIsPlausiblesOwn(t *testing.T) {
	g := open(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "Oops!")
	})
	verdict, err := g.Ask(t.Context(), visitor(t), domain, page)
	if err != nil || verdict.Allowed || verdict.Answer.Status != 404 || string(verdict.Answer.Body) != "Oops!" {
		t.Errorf("verdict = %+v, %v; want the 404 as it is", verdict, err)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	for name, send := range map[string]func(w http.ResponseWriter){
		"long": func(w http.ResponseWriter) {
			fmt.Fprint(w, settings, strings.Repeat("x", gate.MaxAnswer))
		},
		"a bomb": func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			fmt.Fprint(z, settings)
			for range gate.MaxAnswer >> 16 {
				fmt.Fprint(z, strings.Repeat("\x00", 1<<16))
			}
			_ = z.Close()
		},
	} {
		g := open(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			send(w)
		})
		verdict, err := g.Ask(t.Context(), visitor(t), domain, page)
		var trouble *gate.Trouble
		if verdict.Allowed || !errors.As(err, &trouble) || trouble.Status != http.StatusBadGateway {
			t.Errorf("%s: allowed %v, %v; want trouble", name, verdict.Allowed, err)
		}
	}
}

func TestSlowAnswersAreGivenUp(t *testing.T) {
	release := make(chan struct{})
	for name, answer := range map[string]http.HandlerFunc{
		"no header": func(http.ResponseWriter, *http.Request) { <-release },
		"half a body": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, settings)
			_ = http.NewResponseController(w).Flush()
			<-release
		},
	} {
		g := open(t, answer, func(o *gate.Options) { o.Patience = 50 * time.Millisecond })
		verdict, err := g.Ask(t.Context(), visitor(t), domain, page)
		var trouble *gate.Trouble
		if verdict.Allowed || !errors.As(err, &trouble) || trouble.Status != http.StatusServiceUnavailable {
			t.Errorf("%s: allowed %v, %v; want trouble", name, verdict.Allowed, err)
		}
	}
	close(release)
}

func TestTroubleNamesNoPathAndNoCookie(t *testing.T) {
	g := open(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	r := visitor(t)
	r.Header.Set("Cookie", "_plausible_key=abc")
	_, err := g.Ask(t.Context(), r, domain, page)
	if err == nil || strings.Contains(err.Error(), "settings") || strings.Contains(err.Error(), "abc") || strings.Contains(err.Error(), "example.com") {
		t.Errorf("error = %v; want one without path and cookie", err)
	}
	g = open(t, nil, func(o *gate.Options) { o.DB = sites{errors.New("down")} })
	if _, err := g.Ask(t.Context(), r, domain, page); err == nil || !strings.Contains(err.Error(), "down") {
		t.Errorf("error = %v; want that of the database", err)
	}
}
