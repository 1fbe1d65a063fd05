package store_test

import (
	"errors"
	"sync"
	"testing"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/store"

	"github.com/google/go-cmp/cmp"
)

func wantedInstance() store.Instance {
	return store.Instance{URL: hookURL, Secret: secret.New("the secret of the environment"),
		Events: []event.Type{event.TrafficSpike, event.TrafficDrop, event.GoalCompleted}}
}

func (p place) ensure(wanted store.Instance, change store.InstanceChange) int64 {
	p.t.Helper()
	id, got, err := p.EnsureInstance(p.t.Context(), wanted)
	if err != nil {
		p.t.Fatal(err)
	}
	if got != change {
		p.t.Errorf("EnsureInstance = %q; want %q", got, change)
	}
	return id
}

func TestInstanceWebhookKeepsItsIDs(t *testing.T) {
	p := newPlace(t)
	wanted := wantedInstance()
	if id := p.ensure(store.Instance{}, store.InstanceNone); id != 0 {
		t.Errorf("without WEBHOOKS_URL a webhook %d appeared", id)
	}
	id := p.ensure(wanted, store.InstanceCreated)
	made := p.mustGet(id)
	if !made.InstanceWide() || made.ManagedBy != "environment" || len(made.Triggers) != 3 {
		t.Errorf("made webhook %+v; want an instance-wide one with 3 triggers", made)
	}
	p.ensure(wanted, store.InstanceUnchanged)
	if diff := cmp.Diff(made, p.mustGet(id), cmp.Comparer(secret.Text.Equal)); diff != "" {
		t.Errorf("a second start changed something:\n%s", diff)
	}

	p.exec("insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload) values ($1, 'webhook.test', '{}')", id)
	p.ensure(store.Instance{}, store.InstanceDisabled)
	if w := p.mustGet(id); !w.Paused() {
		t.Errorf("without WEBHOOKS_URL: %+v; want it paused", w)
	}
	p.ensure(store.Instance{}, store.InstanceNone)
	if again := p.ensure(wanted, store.InstanceEnabled); again != id {
		t.Errorf("the webhook came back as %d; want %d", again, id)
	}
	var log int
	p.scan(&log, "select count(*) from plausible_webhooks.webhook_deliveries where webhook_id = $1", id)
	if log != 1 {
		t.Errorf("the log has %d deliveries; want it kept", log)
	}

	wanted.URL, wanted.Format = "https://other.example.com/hook", event.Slack
	wanted.Events = []event.Type{event.TrafficSpike, event.TrafficSpikeEnded, event.TrafficDropEnded}
	p.ensure(wanted, store.InstanceUpdated)
	w := p.mustGet(id)
	if w.URL.Reveal() != wanted.URL || w.Format != event.Slack {
		t.Errorf("after a change of the environment: %s, %s", w.URL.Reveal(), w.Format)
	}
	want := []string{
		`traffic.spike goal="" threshold=0 window=0 cooldown=default repeat=true recovery=true enabled=true broken=false`,
		`traffic.drop goal="" threshold=0 window=0 cooldown=default repeat=true recovery=true enabled=true broken=false`,
		`goal.completed goal="" threshold=0 window=0 cooldown=default repeat=true recovery=false enabled=false broken=false`,
	}
	if diff := cmp.Diff(want, describe(w.Triggers)); diff != "" {
		t.Errorf("triggers (-want +got):\n%s", diff)
	}
	for i, trigger := range w.Triggers {
		if trigger.ID != made.Triggers[i].ID {
			t.Errorf("trigger %s has id %d; want %d as before", trigger.Type, trigger.ID, made.Triggers[i].ID)
		}
	}
}

func TestInstanceSecretRotates(t *testing.T) {
	p := newPlace(t)
	wanted := wantedInstance()
	id := p.ensure(wanted, store.InstanceCreated)
	old := wanted.Secret
	wanted.Secret = secret.New("another secret of the environment")
	p.ensure(wanted, store.InstanceUpdated)
	if p.opened(id, "secret") != wanted.Secret.Reveal() || p.opened(id, "previous_secret") != old.Reveal() {
		t.Error("a changed WEBHOOKS_SECRET did not rotate")
	}
	p.ensure(wanted, store.InstanceUnchanged)
}

func TestOthersEditsOfTheInstanceAreUndone(t *testing.T) {
	p := newPlace(t)
	id := p.ensure(wantedInstance(), store.InstanceCreated)
	before := describe(p.mustGet(id).Triggers)
	p.exec("update plausible_webhooks.webhook_triggers set threshold = 5, repeat = false where webhook_id = $1 and type = 'traffic.spike'", id)
	p.ensure(wantedInstance(), store.InstanceUpdated)
	if diff := cmp.Diff(before, describe(p.mustGet(id).Triggers)); diff != "" {
		t.Errorf("triggers (-want +got):\n%s", diff)
	}
	p.exec("update plausible_webhooks.webhooks set enabled = false, disabled_reason = 'failing' where id = $1", id)
	p.ensure(wantedInstance(), store.InstanceEnabled)
}

// A trigger that others gave the environment's webhook is not asked for, so
// that it is switched off, even one whose threshold must not be taken away.
func TestOthersTriggersOfTheInstanceAreSwitchedOff(t *testing.T) {
	p := newPlace(t)
	id := p.ensure(wantedInstance(), store.InstanceCreated)
	p.exec("insert into plausible_webhooks.webhook_triggers (webhook_id, type, threshold) values ($1, 'goal.threshold', 5)", id)
	p.ensure(wantedInstance(), store.InstanceUpdated)
	got := describe(p.mustGet(id).Triggers)
	want := `goal.threshold goal="" threshold=5 window=0 cooldown=default repeat=true recovery=false enabled=false broken=false`
	if got[len(got)-1] != want {
		t.Errorf("trigger of others: %s; want %s", got[len(got)-1], want)
	}
}

func TestOnlyTheEnvironmentEditsItsWebhook(t *testing.T) {
	p := newPlace(t)
	id := p.ensure(wantedInstance(), store.InstanceCreated)
	_, _, rotation := p.RotateSecret(t.Context(), id, secret.Text{}, 0)
	for what, err := range map[string]error{
		"Update": p.Update(t.Context(), id, store.Changes{Name: pointer("mine")}), "Remove": p.Remove(t.Context(), id), "RotateSecret": rotation,
	} {
		if !errors.Is(err, store.ErrManagedByEnvironment) {
			t.Errorf("%s of the environment's webhook: %v; want ErrManagedByEnvironment", what, err)
		}
	}
}

func TestInstanceMistakes(t *testing.T) {
	p := newPlace(t)
	_, _, err := p.EnsureInstance(t.Context(), store.Instance{URL: "ftp://x"})
	wantFields(t, err, "url", "secret")
	for _, typ := range []event.Type{event.GoalThreshold, event.GoalThresholdEnded} {
		wanted := wantedInstance()
		wanted.Events = append(wanted.Events, typ)
		_, _, err := p.EnsureInstance(t.Context(), wanted)
		wantFields(t, err, "events")
		wantText(t, err, string(event.GoalThreshold), "threshold")
	}
}

func TestSeveralStartAtOnce(t *testing.T) {
	p := newPlace(t)
	var wait sync.WaitGroup
	ids := make([]int64, 6)
	for i := range ids {
		wait.Go(func() {
			id, _, err := p.EnsureInstance(t.Context(), wantedInstance())
			if err != nil {
				t.Error(err)
			}
			ids[i] = id
		})
	}
	wait.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("ids %v; want one", ids)
		}
	}
}

// The environment has the secret, so that a key which is lost costs nothing.
func TestInstanceWebhookIsSealedAnewWithAChangedKey(t *testing.T) {
	p := newPlace(t)
	wanted := wantedInstance()
	id := p.ensure(wanted, store.InstanceCreated)
	changed := p.with(store.Options{Keys: keyring(t, otherKey), Targets: rules()})
	if again, change, err := changed.EnsureInstance(t.Context(), wanted); err != nil || again != id || change != store.InstanceUpdated {
		t.Errorf("EnsureInstance = %d, %q, %v; want webhook %d updated", again, change, err, id)
	}
	if unreadable, err := changed.UnreadableSecrets(t.Context()); err != nil || len(unreadable) != 0 {
		t.Errorf("UnreadableSecrets = %+v, %v; want none", unreadable, err)
	}
	var previous *string
	p.scan(&previous, "select previous_secret from plausible_webhooks.webhooks where id = $1", id)
	if previous != nil {
		t.Error("the same secret became the one before, too")
	}
	if _, change, err := changed.EnsureInstance(t.Context(), wanted); err != nil || change != store.InstanceUnchanged {
		t.Errorf("a second start: %q, %v; want nothing to do", change, err)
	}
}
