package eventtest_test

import (
	"testing"

	"plausible-webhooks/config/event/eventtest"
)

// recorder stands in for the test that Validate fails.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(string, ...any) { r.failed = true }

func TestValidateFailsItsTestOnABrokenPayloadOnly(t *testing.T) {
	tests := map[string]bool{
		`{"type": "webhook.test"}`: true,
		`not JSON`:                 true,
		`{"type": "traffic.drop", "timestamp": "2026-11-23T19:10:05Z", "data": {
		  "site": {"id": 1, "domain": "example.com"}, "webhook": {"id": 7, "name": ""},
		  "trigger": {"id": 12, "threshold": 10, "window_seconds": 43200, "cooldown_seconds": 43200},
		  "episode": {"id": "a", "started_at": "2026-11-23T19:10:05Z", "firing": 1},
		  "visitors": 3, "window_seconds": 43200, "dashboard_url": "https://plausible.example.com/example.com"}}`: false,
	}
	for payload, want := range tests {
		r := &recorder{TB: t}
		eventtest.Validate(r, []byte(payload))
		if r.failed != want {
			t.Errorf("Validate failed its test: %v, want %v, for %s", r.failed, want, payload)
		}
	}
}
