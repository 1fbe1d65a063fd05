package store_test

import (
	"errors"
	"testing"
	"time"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/store"

	"github.com/google/go-cmp/cmp"
)

func TestUpdateChangesWhatIsNamedAndNothingElse(t *testing.T) {
	p := newPlace(t)
	id, _ := p.mustAdd(store.NewWebhook{Site: "example.com", Name: "Ops", Triggers: []store.TriggerSpec{
		{Type: event.TrafficSpike, Threshold: 10}, {Type: event.GoalCompleted, Goal: "Signup"}}})
	before := p.mustGet(id)
	if err := p.Update(t.Context(), id, store.Changes{Name: pointer("On call"), Put: []store.TriggerSpec{{Type: event.TrafficSpike, Threshold: 50, Recovery: true}},
		Drop: []store.TriggerSpec{{Type: event.GoalCompleted, Goal: "Signup"}}}); err != nil {
		t.Fatal(err)
	}
	after := p.mustGet(id)
	if after.Name != "On call" || after.URL.Reveal() != before.URL.Reveal() || after.Format != before.Format || !after.Enabled {
		t.Errorf("webhook after the update: %+v", after)
	}
	want := []string{`traffic.spike goal="" threshold=50 window=0 cooldown=default repeat=true recovery=true enabled=true broken=false`}
	if diff := cmp.Diff(want, describe(after.Triggers)); diff != "" {
		t.Errorf("triggers (-want +got):\n%s", diff)
	}
	if after.Triggers[0].ID != before.Triggers[0].ID || !after.Triggers[0].RestartedAt.IsZero() {
		t.Error("a changed threshold made another trigger or restarted it; want its id and state kept")
	}
}

func TestUpdateRefusesAndLeavesEverything(t *testing.T) {
	p := newPlace(t)
	id, _ := p.mustAdd(store.NewWebhook{Site: "example.com", Name: "Ops"})
	before := p.mustGet(id)
	err := p.Update(t.Context(), id, store.Changes{Name: pointer("a\nb"), URL: pointer("ftp://x"), Format: pointer(event.Format("xml")),
		Put: []store.TriggerSpec{{Type: event.GoalCompleted, Goal: "Sign"}}})
	wantFields(t, err, "url", "name", "format", "triggers[0].goal")
	wantFields(t, p.Update(t.Context(), id, store.Changes{Name: pointer("fine"), Drop: []store.TriggerSpec{{Type: event.TrafficDrop}}}), "drop[0]")
	if diff := cmp.Diff(before, p.mustGet(id), cmp.Comparer(secret.Text.Equal)); diff != "" {
		t.Errorf("a refused update changed the webhook:\n%s", diff)
	}
	if err := p.Update(t.Context(), 999, store.Changes{Name: pointer("x")}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Update(999) = %v; want ErrNotFound", err)
	}
	if _, err := p.Get(t.Context(), 999); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get(999) = %v; want ErrNotFound", err)
	}
	if err := p.Remove(t.Context(), 999); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Remove(999) = %v; want ErrNotFound", err)
	}
}

func TestSwitchingOffAndOn(t *testing.T) {
	p := newPlace(t)
	id, _ := p.mustAdd(store.NewWebhook{Site: "example.com"})
	p.exec("update plausible_webhooks.webhooks set enabled = false, disabled_reason = 'transferred', site_team_id = 5 where id = $1", id)
	if err := p.Update(t.Context(), id, store.Changes{Name: pointer("still off")}); err != nil {
		t.Fatal(err)
	}
	if w := p.mustGet(id); w.Enabled || w.DisabledReason != "transferred" {
		t.Errorf("renaming changed enabled %v, reason %q; want them left alone", w.Enabled, w.DisabledReason)
	}
	if err := p.Update(t.Context(), id, store.Changes{Enabled: pointer(true)}); err != nil {
		t.Fatal(err)
	}
	if w := p.mustGet(id); !w.Enabled || w.DisabledReason != "" || w.RestartedAt.IsZero() {
		t.Errorf("switched on: %+v; want it restarted without a reason", w)
	}
	var team *int64
	p.scan(&team, "select site_team_id from plausible_webhooks.webhooks where id = $1", id)
	if team != nil {
		t.Errorf("site_team_id = %d; want the site's present team, none, or it would be found transferred again", *team)
	}
	if err := p.Update(t.Context(), id, store.Changes{Enabled: pointer(false)}); err != nil {
		t.Fatal(err)
	}
	if w := p.mustGet(id); !w.Paused() {
		t.Errorf("switched off: %+v; want it paused", w)
	}
}

func TestRemove(t *testing.T) {
	p := newPlace(t)
	id, _ := p.mustAdd(store.NewWebhook{Site: "example.com", Triggers: []store.TriggerSpec{{Type: event.TrafficSpike}}})
	if err := p.Remove(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Get(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get after Remove: %v; want ErrNotFound", err)
	}
}

func TestListOfASite(t *testing.T) {
	p := newPlace(t)
	first, _ := p.mustAdd(store.NewWebhook{Site: "example.com"})
	p.mustAdd(store.NewWebhook{Site: "shop.example.org"})
	p.mustAdd(store.NewWebhook{})
	p.exec("insert into plausible_webhooks.webhooks (site_id, url) values (77, 'what is this')")
	all, err := p.List(t.Context(), store.Filter{})
	if err != nil || len(all) != 4 {
		t.Fatalf("List = %d webhooks, %v; want 4", len(all), err)
	}
	if !all[3].SiteMissing() || all[2].SiteMissing() {
		t.Error("SiteMissing: want it for site 77 alone, not for the instance")
	}
	some, err := p.List(t.Context(), store.Filter{Site: "example.com"})
	if err != nil || len(some) != 1 || some[0].ID != first {
		t.Errorf("List of example.com = %+v, %v; want webhook %d", some, err, first)
	}
	_, err = p.List(t.Context(), store.Filter{Site: "example.co"})
	wantFields(t, err, "site")
}

func TestTriggersOfForeignAndLostGoalsAreBroken(t *testing.T) {
	p := newPlace(t)
	id, _ := p.mustAdd(store.NewWebhook{Site: "example.com"})
	p.exec("insert into plausible_webhooks.webhook_triggers (webhook_id, type, goal_id) values ($1, 'goal.completed', 20), ($1, 'goal.completed', 404), ($1, 'goal.completed', 10)", id)
	var got []bool
	for _, trigger := range p.mustGet(id).Triggers {
		got = append(got, trigger.Broken)
	}
	if diff := cmp.Diff([]bool{true, true, false}, got); diff != "" {
		t.Errorf("broken (-want +got):\n%s", diff)
	}
	if err := p.Update(t.Context(), id, store.Changes{Drop: []store.TriggerSpec{{Type: event.GoalCompleted, GoalID: 404}}}); err != nil {
		t.Errorf("removing the trigger of a lost goal by its id: %v", err)
	}
}

func TestRotateSecret(t *testing.T) {
	p := newPlace(t)
	id, old := p.mustAdd(store.NewWebhook{Site: "example.com"})
	before := time.Now()
	shown, kept, err := p.RotateSecret(t.Context(), id, secret.Text{}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if !kept || shown.Equal(old) || p.opened(id, "secret") != shown.Reveal() || p.opened(id, "previous_secret") != old.Reveal() {
		t.Error("rotation: want a new secret, and the old one beside it, each sealed for its column")
	}
	w := p.mustGet(id)
	if d := w.PreviousSecretExpiresAt.Sub(before); d < 59*time.Minute || d > 61*time.Minute {
		t.Errorf("the old secret expires after %v; want an hour", d)
	}
	if !w.UpdatedAt.After(w.InsertedAt) {
		t.Error("a rotation left updated_at alone; want it changed")
	}
	given := secret.New("my very own secret text")
	if shown, kept, err = p.RotateSecret(t.Context(), id, given, 0); err != nil || kept || !shown.Equal(given) {
		t.Errorf("rotation without overlap: kept %v, %v", kept, err)
	}
	if p.opened(id, "previous_secret") != "" || !p.mustGet(id).PreviousSecretExpiresAt.IsZero() {
		t.Error("without overlap the old secret is still there")
	}
	_, _, err = p.RotateSecret(t.Context(), id, given, time.Hour)
	wantFields(t, err, "secret")
	_, _, err = p.RotateSecret(t.Context(), id, secret.New("short"), -time.Second)
	wantFields(t, err, "secret", "overlap")
}

func TestRotationMendsALostKey(t *testing.T) {
	p := newPlace(t)
	id, _ := p.mustAdd(store.NewWebhook{Site: "example.com"})
	mended, _ := p.mustAdd(store.NewWebhook{Site: "example.com"})
	p.exec("insert into plausible_webhooks.webhooks (url, secret) values ('https://example.com', 'plain text needs no key')")
	other := p.with(store.Options{Keys: keyring(t, otherKey), Targets: rules()})
	if _, kept, err := other.RotateSecret(t.Context(), mended, secret.Text{}, time.Hour); err != nil || kept {
		t.Errorf("rotation with a lost key: kept %v, %v; want no overlap and no error", kept, err)
	}
	unreadable, err := other.UnreadableSecrets(t.Context())
	if err != nil || len(unreadable) != 1 || unreadable[0].WebhookID != id || !errors.Is(unreadable[0].Err, secret.ErrKeyMissing) {
		t.Errorf("UnreadableSecrets = %+v, %v; want webhook %d for its lost key", unreadable, err, id)
	}
}
