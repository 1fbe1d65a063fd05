package store_test

import (
	"errors"
	"testing"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/store"

	"github.com/google/go-cmp/cmp"
)

func TestAStoreOfASiteKnowsNoOther(t *testing.T) {
	p := newPlace(t)
	own, _ := p.mustAdd(store.NewWebhook{Site: "example.com", Triggers: []store.TriggerSpec{{Type: event.GoalCompleted, Goal: "Signup"}}})
	foreign, _ := p.mustAdd(store.NewWebhook{Site: "shop.example.org"})
	everywhere, _ := p.mustAdd(store.NewWebhook{})
	var environment int64
	p.scan(&environment, "insert into plausible_webhooks.webhooks (site_id, url, managed_by) values (1, 'https://example.com', 'environment') returning id")
	before := p.mustGet(foreign)

	mine := p.OfSite(1)
	for _, filter := range []store.Filter{{}, {Site: "shop.example.org"}} {
		all, err := mine.List(t.Context(), filter)
		if err != nil || len(all) != 1 || all[0].ID != own || len(all[0].Triggers) != 1 {
			t.Errorf("List(%+v) of site 1 = %+v, %v; want webhook %d alone", filter, all, err, own)
		}
	}
	for _, id := range []int64{foreign, everywhere, environment, 999} {
		_, err := mine.Get(t.Context(), id)
		_, _, rotate := mine.RotateSecret(t.Context(), id, secret.Text{}, 0)
		for what, err := range map[string]error{
			"Get": err, "RotateSecret": rotate, "Remove": mine.Remove(t.Context(), id),
			"Update": mine.Update(t.Context(), id, store.Changes{Name: pointer("mine")}),
		} {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s(%d) of site 1: %v; want ErrNotFound", what, id, err)
			}
		}
	}
	if diff := cmp.Diff(before, p.mustGet(foreign), cmp.Comparer(secret.Text.Equal)); diff != "" {
		t.Errorf("another site's webhook changed:\n%s", diff)
	}
	if _, err := mine.Get(t.Context(), own); err != nil {
		t.Errorf("Get(%d) = %v", own, err)
	}

	p.exec("delete from plausible_webhooks.webhooks where id = $1", environment) // It would take a place.
	id, _, err := mine.Add(t.Context(), store.NewWebhook{Site: "shop.example.org", URL: hookURL})
	if err != nil || p.mustGet(id).SiteID != 1 {
		t.Errorf("Add to another site by its domain: webhook of site %d, %v; want one of site 1", p.mustGet(id).SiteID, err)
	}
	order := []store.TriggerSpec{{Type: event.GoalCompleted, GoalID: 20}}
	_, _, err = mine.Add(t.Context(), store.NewWebhook{URL: hookURL, Triggers: order})
	wantFields(t, err, "triggers[0].goal")
	wantFields(t, mine.Update(t.Context(), own, store.Changes{Put: order}), "triggers[0].goal")
	_, err = mine.Subject(t.Context(), "shop.example.org", order[0])
	wantFields(t, err, "goal")
	found, err := mine.Subject(t.Context(), "shop.example.org", store.TriggerSpec{Type: event.TrafficSpike, Threshold: 5})
	if err != nil || found.Site.ID != 1 || found.Site.Domain != "example.com" {
		t.Errorf("Subject = %+v, %v; want site 1", found.Site, err)
	}
	_, _, err = p.OfSite(77).Add(t.Context(), store.NewWebhook{URL: hookURL})
	wantFields(t, err, "site")
}

func TestAboutASite(t *testing.T) {
	p := newPlace(t)
	p.exec("insert into public.spike_notifications (site_id, type, threshold, recipients, inserted_at, updated_at) values (1, 'spike', 40, '{}', now(), now()), (2, 'drop', 3, '{}', now(), now())")
	about, err := p.OfSite(1).About(t.Context())
	want := store.About{Goals: []store.Goal{{ID: 10, Name: "Signup"}, {ID: 11, Name: "Paid, yearly"}}, Spike: 40}
	if diff := cmp.Diff(want, about); diff != "" || err != nil {
		t.Errorf("About = %v (-want +got):\n%s", err, diff)
	}
	if name, ok := about.GoalName(20); ok {
		t.Errorf("another site's goal is %q; want none", name)
	}
	if about.Threshold(event.TrafficSpike) != 40 || about.Threshold(event.TrafficDrop) != 0 || about.Threshold(event.GoalCompleted) != 0 {
		t.Error("Threshold: want 40 for spikes and none for anything else")
	}
}
