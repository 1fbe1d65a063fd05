package main

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAChangedKeyIsToldForEachWebhookAndMended(t *testing.T) {
	s := newShell(t).with("CLICKHOUSE_DATABASE_URL=http://127.0.0.1:1/events", "WEBHOOKS_PLAUSIBLE_URL=http://127.0.0.1:1")
	changed := s.with("SECRET_KEY_BASE=" + strings.Repeat("another key base ", 4))
	for range 2 {
		s.run("webhook", "add", "--site", "example.com", "--url", hookURL).want(t, exitDone)
	}
	changed.run("webhook", "add", "--site", "example.com", "--url", hookURL).want(t, exitDone)
	failing := func(s shell, want ...string) {
		t.Helper()
		var found []finding
		if err := json.Unmarshal([]byte(s.run("check", "--json").stdout), &found); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range found {
			if f.Check == "secrets" && f.Level == levelFailure {
				got = append(got, f.Result)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("check, secrets (-want +got):\n%s", diff)
		}
	}
	const cannot = ": its secret cannot be read, and its deliveries wait"
	failing(changed, "webhook 1"+cannot, "webhook 2"+cannot)
	failing(s, "webhook 3"+cannot)
	failing(s.with("SECRET_KEY_BASE="), "webhook 1"+cannot, "webhook 2"+cannot, "webhook 3"+cannot)
	for _, line := range [][]string{{"list"}, {"list", "--json"}, {"update", "1", "--name", "x"}, {"test", "1", "--wait", "0"}} {
		changed.run(append([]string{"webhook"}, line...)...).want(t, exitDone)
	}
	changed.run("webhook", "rotate-secret", "1").want(t, exitDone, "The old one, if there was any, signs no more")
	failing(changed, "webhook 2"+cannot)
	// The key of SECRET_KEY_BASE still opens beside one of its own.
	failing(changed.with("WEBHOOKS_SECRET_KEY="+base64.StdEncoding.EncodeToString(make([]byte, 32))), "webhook 2"+cannot)
}
