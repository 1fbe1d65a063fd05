package server_test

import (
	"net/http"
	"testing"

	"plausible-webhooks/config/settings/server"
)

func TestProbeIsAnsweredForAnyDomainAndAnybody(t *testing.T) {
	w := newWorld(t)
	for _, domain := range []string{"example.com/shop", "nowhere.example"} {
		got := w.browser().get(server.ProbePath(domain))
		if got.status != http.StatusOK || got.body != server.ProbeAnswer || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("the probe of %s = %d %q %v", domain, got.status, got.body, got.header)
		}
	}
	if got := w.browser().post(server.ProbePath("example.com"), nil); got.status != http.StatusMethodNotAllowed {
		t.Errorf("a form to the probe = %d; want 405", got.status)
	}
}
