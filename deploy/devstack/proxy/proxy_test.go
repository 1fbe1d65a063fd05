package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"plausible-webhooks/deploy/devstack/proxy"
)

// echo tells who was asked for what.
func echo(name string, status int) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		fmt.Fprintf(w, "%s %s %s %s", name, r.Method, r.RequestURI, r.Header.Get("X-Forwarded-Host"))
	}))
}

func TestRoutesAsTheSnippetsDo(t *testing.T) {
	plausible, sidecar, broken := echo("plausible", 200), echo("sidecar", 200), echo("sidecar", 502)
	defer plausible.Close()
	defer sidecar.Close()
	defer broken.Close()
	p, err := proxy.Start("")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	if err := p.Plausible(plausible.URL); err != nil {
		t.Fatal(err)
	}
	ask := func(method, path string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, p.URL()+path, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d %s", resp.StatusCode, body)
	}
	host := strings.TrimPrefix(p.URL(), "http://")
	for _, tc := range []struct{ method, path, with, broken, without string }{
		{"GET", "/a%2Fb/settings/webhooks", "sidecar", "sidecar", "plausible"},
		{"GET", "/a%2Fb/settings/webhooks/1", "sidecar", "sidecar", "plausible"},
		{"POST", "/a%2Fb/settings/webhooks/new", "sidecar", "sidecar", ""},
		{"GET", "/a%2Fb/settings/general?a=b;c", "sidecar", "plausible", "plausible"},
		{"POST", "/a%2Fb/settings/goals", "plausible", "plausible", "plausible"},
		{"GET", "/a%2Fb%2Fsettings%2Fwebhooks", "plausible", "plausible", "plausible"},
		{"GET", "/a/settings", "plausible", "plausible", "plausible"},
		{"POST", "/api/event", "plausible", "plausible", "plausible"},
		{"GET", "/js/script.js", "plausible", "plausible", "plausible"},
	} {
		for _, state := range []struct{ address, want string }{{sidecar.URL, tc.with}, {broken.URL, tc.broken}, {"http://127.0.0.1:1", tc.without}} {
			if err := p.Sidecar(state.address); err != nil {
				t.Fatal(err)
			}
			status := "200"
			if state.want == "sidecar" && state.address == broken.URL {
				status = "502"
			}
			want := fmt.Sprintf("%s %s %s %s %s", status, state.want, tc.method, tc.path, host)
			if state.want == "" {
				want = "502 the sidecar does not answer\n"
			}
			if got := ask(tc.method, tc.path); got != want {
				t.Errorf("%s %s with the sidecar at %s = %q; want %q", tc.method, tc.path, state.address, got, want)
			}
		}
	}
}
