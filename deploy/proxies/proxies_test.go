package proxies_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// each runs a test behind each proxy, which options may change before it starts.
func each(t *testing.T, test func(*testing.T, *world), options ...func(*world)) {
	for _, proxy := range proxies {
		t.Run(proxy.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "http://"+freeAddress(t))
			for _, option := range options {
				option(w)
			}
			proxy.start(t, w)
			w.signIn()
			test(t, w)
		})
	}
}

// Who is asked for what, with the sidecar running. Each path arrives byte for
// byte.
func TestWhoIsAskedForWhat(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, ask := range []struct {
			method, path string
			sidecar      bool
		}{
			{"GET", encoded + page, true},
			{"HEAD", encoded + page, true},
			{"GET", encoded + page + "?state=failed&a=b;c%20d", true},
			{"GET", encoded + page + "/7/deliveries", true},
			{"POST", encoded + page + "/new", true},
			{"GET", unicode + page, true},
			{"GET", encoded + "/settings/general", true},
			{"GET", encoded + "/settings/shields/ip_addresses?tab=1", true},
			{"GET", encoded + "/settings/webhooks-of-another-time", true},
			{"POST", encoded + "/settings/goals", false},
			{"PUT", encoded + "/settings/google", false},
			{"GET", encoded + "/settings", false},
			{"GET", encoded + "/settings/", false},
			{"GET", encoded, false},
			{"GET", "/settings/webhooks", false},
			{"GET", "/example.com/shop/settings/webhooks", false},
			{"GET", "/example.com%2Fshop%2Fsettings%2Fwebhooks", false},
			{"GET", "/example.com%252Fshop/other/settings/webhooks", false},
			{"GET", "//example.com/settings/webhooks", false},
			{"GET", "/example.com//settings/webhooks", false},
			{"GET", "/sites?return_to=/example.com/settings/webhooks", false},
			{"GET", "/?x=/example.com/settings/webhooks", false},
			{"GET", "/js/script.js", false},
			{"POST", "/api/event", false},
			{"GET", "/api/system/health/ready", false},
		} {
			w.forget()
			got := w.ask(ask.method, ask.path, "")
			want := []string{ask.method + " " + ask.path}
			sidecar, plausible := w.sidecar.forget(), w.plausible.forget()
			switch {
			case ask.sidecar && !slices.Equal(sidecar, want):
				t.Errorf("%s %s = %d; the sidecar was asked for %v, Plausible for %v; want the sidecar", ask.method, ask.path, got.status, sidecar, plausible)
			case !ask.sidecar && (len(sidecar) > 0 || !slices.Equal(plausible, want)):
				t.Errorf("%s %s = %d; the sidecar was asked for %v, Plausible for %v; want Plausible", ask.method, ask.path, got.status, sidecar, plausible)
			}
		}
	})
}

func TestThePageIsThere(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for path, site := range map[string]string{encoded: domain, unicode: "münchen.example"} {
			if got := w.get(path + page); got.status != http.StatusOK || !strings.Contains(got.body, ownPage+" for "+site) {
				t.Errorf("GET %s = %d; want the page for %s\n%.2000s", path+page, got.status, site, got.body)
			}
			if got := w.get(path + "/settings/general"); got.status != http.StatusOK || !strings.Contains(got.body, path+page+`"`) {
				t.Errorf("GET %s/settings/general = %d; want it with the entry in the menu\n%.2000s", path, got.status, got.body)
			}
		}
		got := w.ask(http.MethodPost, encoded+page+"/new", "name=Ops")
		if location := got.header.Get("Location"); got.status != http.StatusSeeOther || location != encoded+page+"?saved=Ops" {
			t.Errorf("POST of the form = %d to %s; want 303 to the page\n%.500s", got.status, location, got.body)
		}
	})
}

// What passes through the sidecar tells Plausible the same as what does not.
func TestPlausibleSeesTheBrowser(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		host := strings.TrimPrefix(w.base, "http://")
		for _, path := range []string{"/sites", encoded + "/settings/general"} {
			got := w.get(path)
			if seen := got.header.Get("X-Seen-Host"); seen != host {
				t.Errorf("GET %s: Plausible sees Host %s; want %s", path, seen, host)
			}
			if seen := got.header.Get("X-Seen-Forwarded"); !strings.HasPrefix(seen, "127.0.0.1") || !strings.HasSuffix(seen, " http") {
				t.Errorf("GET %s: Plausible sees X-Forwarded-For and -Proto %q; want 127.0.0.1 first, and http", path, seen)
			}
		}
	})
}

func TestWebsocketsGoStraightToPlausible(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		if status, echoed := w.upgrade("/live/websocket?vsn=2.0.0"); !strings.HasPrefix(status, "101") || echoed != "heartbeat" {
			t.Errorf("upgrade of /live/websocket = %s, %q; want 101 and the heartbeat back", status, echoed)
		}
		if status, _ := w.upgrade(encoded + "/settings/general"); strings.HasPrefix(status, "421") {
			t.Errorf("an upgrade of a settings page = %s; want Plausible's answer", status)
		}
		if asked := w.sidecar.forget(); len(asked) > 0 {
			t.Errorf("the sidecar was asked for %v; want nothing", asked)
		}
	})
}

// A stopped sidecar must never cost an operator a page.
func TestTheSidecarStopped(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.stopSidecar()
		w.opensWithout(10 * time.Second)
		if got := w.ask(http.MethodPost, "/api/event", `{}`); got.status >= 500 {
			t.Errorf("POST /api/event = %d", got.status)
		}
		got := w.ask(http.MethodPost, encoded+page+"/new", "name=Ops")
		if asked := w.plausible.forget(); got.status != http.StatusBadGateway || slices.ContainsFunc(asked, isForm) {
			t.Errorf("POST of the form = %d, and Plausible was asked for %v; want 502, and Plausible not asked", got.status, asked)
		}
		w.startSidecar()
		w.isBack()
	})
}

// Docker forgets the name of a container that is stopped, and a proxy may start
// while nobody has it.
func TestTheSidecarsNameIsGone(t *testing.T) {
	each(t, func(t *testing.T, w *world) { w.opensWithout(10 * time.Second) }, func(w *world) {
		w.told, w.resolver = "plausible-webhooks.invalid:8001", noNames(w.t)
	})
}

func isForm(asked string) bool { return strings.HasPrefix(asked, "POST "+encoded+page) }

// The sidecar answers 502 where it does not reach Plausible, for example
// because WEBHOOKS_PLAUSIBLE_URL is wrong.
func TestTheSidecarDoesNotReachPlausible(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, status := range []int{421, 502, 503, 504} {
			w.sidecar.answer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
				http.Error(rw, "trouble of the sidecar", status)
			}))
			if got := w.get(encoded + "/settings/general"); got.status != http.StatusOK || !strings.Contains(got.body, "Plausible") || strings.Contains(got.body, "trouble") {
				t.Errorf("GET General with the sidecar answering %d = %d; want Plausible's own\n%.300s", status, got.status, got.body)
			}
			// The page says itself what is wrong.
			if got := w.get(encoded + page); got.status != status || !strings.Contains(got.body, "trouble of the sidecar") {
				t.Errorf("GET the page with the sidecar answering %d = %d; want the sidecar's own answer\n%.300s", status, got.status, got.body)
			}
		}
		w.sidecar.answer(w.pages)
		w.isBack()
	})
}

// A process that was stopped takes connections and never answers.
func TestTheSidecarHangs(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the 10 s that a proxy gives the sidecar")
	}
	each(t, func(t *testing.T, w *world) {
		ended := make(chan struct{})
		defer close(ended)
		w.sidecar.answer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-ended:
			case <-r.Context().Done():
			}
		}))
		began := time.Now()
		if got := w.get(encoded + "/settings/general"); got.status != http.StatusOK || strings.Contains(got.body, menu) {
			t.Errorf("GET General = %d after %s; want Plausible's own\n%.500s", got.status, time.Since(began), got.body)
		}
		if got := w.get(encoded); got.status != http.StatusOK {
			t.Errorf("GET the dashboard = %d; want 200", got.status)
		}
	})
}

// opensWithout fails unless Plausible answers what the sidecar otherwise does.
func (w *world) opensWithout(within time.Duration) {
	w.t.Helper()
	for _, path := range []string{encoded + "/settings/general", unicode + "/settings/email-reports", encoded + page, unicode + page + "/new"} {
		w.forget()
		began := time.Now()
		got := w.get(path)
		if asked := w.plausible.forget(); got.status != http.StatusOK || !slices.Equal(asked, []string{"GET " + path}) || strings.Contains(got.body, ownPage) {
			w.t.Errorf("GET %s = %d, Plausible was asked for %v; want its own answer to that\n%.500s", path, got.status, asked, got.body)
		}
		if strings.Contains(got.body, menu) {
			w.t.Errorf("GET %s has an entry in the menu that leads nowhere", path)
		}
		if took := time.Since(began); took > within {
			w.t.Errorf("GET %s took %s; want at most %s", path, took, within)
		}
	}
}

// isBack fails unless the page is routed again soon: a proxy may leave the
// sidecar alone for some seconds.
func (w *world) isBack() {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		got := w.get(encoded + page)
		if got.status == http.StatusOK && strings.Contains(got.body, ownPage) {
			return
		}
		if time.Now().After(deadline) {
			w.t.Errorf("GET the page = %d %s after the sidecar is back; want the page", got.status, patience)
			return
		}
		<-again.C
	}
}
