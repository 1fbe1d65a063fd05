package store_test

import (
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/config/store"
	"plausible-webhooks/deploy/devstack/stack"

	"github.com/google/go-cmp/cmp"
)

func TestSubjectOfATrigger(t *testing.T) {
	for _, version := range stack.PlausibleVersions() {
		t.Run(string(version), func(t *testing.T) {
			p := placeOn(t, stack.TestDatabase(t, version))
			p.exec(`insert into public.sites (id, domain, timezone, inserted_at, updated_at, native_stats_start_at) values
				(1, 'example.com', 'Europe/Tallinn', now(), now(), '2026-01-02 03:04:05')`)
			p.exec(`insert into public.goals (id, site_id, event_name, display_name, inserted_at, updated_at) values (10, 1, 'Signup', 'Sign up', now(), now())`)
			p.exec(`insert into public.spike_notifications (id, site_id, threshold, recipients, type, inserted_at, updated_at) values
				(1, 1, 7, '{}', 'spike', now(), now()), (2, 1, 3, '{}', 'drop', now(), now())`)
			site := config.Site{ID: 1, Domain: "example.com", Timezone: "Europe/Tallinn", NativeStatsStartAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
			signup := &config.Goal{ID: 10, SiteID: 1, DisplayName: "Sign up", EventName: "Signup", ScrollThreshold: -1}
			if version == stack.V32 {
				p.exec(`update public.goals set custom_props = '{"plan": "pro", "seats": 5}'`)
				signup.CustomProps = map[string]string{"plan": "pro", "seats": "5"}
			}
			for name, test := range map[string]struct {
				spec store.TriggerSpec
				want store.Subject
			}{
				"spike":     {store.TriggerSpec{Type: event.TrafficSpike}, store.Subject{Site: site, Threshold: 7}},
				"drop":      {store.TriggerSpec{Type: event.TrafficDrop, Threshold: 5}, store.Subject{Site: site, Threshold: 3}},
				"goal":      {store.TriggerSpec{Type: event.GoalCompleted, Goal: "sign UP"}, store.Subject{Site: site, Goal: signup}},
				"every one": {store.TriggerSpec{Type: event.GoalThreshold, Threshold: 1}, store.Subject{Site: site}},
			} {
				got, err := p.Subject(t.Context(), "https://Example.com/", test.spec)
				if err != nil {
					t.Fatal(err)
				}
				if got.Goal != nil {
					got.Goal.InsertedAt, got.Goal.UpdatedAt = time.Time{}, time.Time{} // Of the test's beginning.
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
			p.exec("delete from public.spike_notifications")
			if got, err := p.Subject(t.Context(), "example.com", store.TriggerSpec{Type: event.TrafficSpike}); err != nil || got.Threshold != 0 {
				t.Errorf("threshold %d (%v); want none", got.Threshold, err)
			}
		})
	}
}

func TestMistakesInASubjectAreNamedAtOnce(t *testing.T) {
	p := newPlace(t)
	_, err := p.Subject(t.Context(), "exmaple.com", store.TriggerSpec{Type: event.TrafficSpike, WindowSeconds: 61})
	wantFields(t, err, "window", "site")
	wantText(t, err, `did you mean "example.com"?`)
	_, err = p.Subject(t.Context(), "example.com", store.TriggerSpec{Type: event.GoalThreshold, Goal: "Sigup"})
	wantFields(t, err, "threshold", "goal")
	wantText(t, err, `did you mean "Signup"?`)
}
