package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/deploy/devstack/stack"
)

// Containers start in any order, and a database is upgraded now and then.
func TestPostgresMayComeLateAndRestart(t *testing.T) {
	server := stack.TestPostgresWith(t, stack.PostgresOptions{})
	database, err := server.CreateDatabase(t.Context(), "restarted", stack.V32)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, database, stack.TestEvents(t))
	w.addSite(1, "example.com")
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.until("it says what it waits for", patience, func() bool { return w.log.count("not ready yet") > 0 })
	if r := w.readiness(); r.Ready || len(r.Reasons) == 0 {
		t.Errorf("/readyz without a database: %+v; want not ready, with a reason", r)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.waitReady()
	w.following()
	hook := w.addHook(1, "/before", "")
	if status := w.finished(w.enqueue(hook)); status != "delivered" {
		t.Errorf("before the restart: %s", status)
	}

	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	w.until("the outage is noticed", patience, func() bool { return !w.readiness().Config.Healthy })
	if !w.readiness().Ready {
		t.Error("not ready while the database is away; a restart of the sidecar would mend nothing")
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := w.addHook(1, "/after", "")
	w.visit(1, 3, w.addTrigger(other, "traffic.spike", 3))
	w.received("/after", 1, patience)
	w.following()
	if status := w.finished(w.enqueue(hook)); status != "delivered" {
		t.Errorf("after the restart: %s", status)
	}
}

func TestClickHouseAwayFiresNothingAndLosesNothing(t *testing.T) {
	t.Parallel() // It waits most of the time.
	events, err := stack.StartClickHouse(t.Context(), stack.ClickHouseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := events.Stop(); err != nil {
			t.Error(err)
		}
	})
	address, err := events.CreateDatabase(t.Context(), "away")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, stack.TestDatabase(t, stack.V32), address)
	w.addSite(1, "example.com")
	// An old goal: rows of the second in which a goal is defined are not counted.
	w.exec("insert into public.goals (id, site_id, page_path, display_name, inserted_at, updated_at) values (10, 1, '/launch', 'Launch', '2026-01-01', '2026-01-01')")
	w.startReady()
	w.following()
	hook := w.addHook(1, "/hook", hookSecret)
	from := w.addTrigger(hook, "goal.completed", 1)
	w.addTrigger(hook, "traffic.drop", 1)
	w.visit(1, 2, from) // Enough not to be a drop, and lively enough to be able to drop.
	first := w.received("/hook", 1, patience)[0]

	if err := events.Kill(); err != nil {
		t.Fatal(err)
	}
	w.until("several evaluations without an answer", patience, func() bool { return w.unanswered() >= 3 })
	if err := events.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.visit(1, 3, time.Now())
	second := w.received("/hook", 2, patience)[1]
	for i, request := range []receiver.Request{first, second} {
		var payload struct {
			Type string
			Data struct{ Conversions int }
		}
		if err := json.Unmarshal(request.Body, &payload); err != nil {
			t.Fatal(err)
		}
		if payload.Type != "goal.completed" || payload.Data.Conversions != 2+i {
			t.Errorf("request %d is %s with %d conversions; want goal.completed with %d", i+1, payload.Type, payload.Data.Conversions, 2+i)
		}
	}
}

func (w *world) unanswered() float64 {
	for line := range strings.Lines(w.metrics()) {
		var n float64
		if rest, ok := strings.CutPrefix(line, "plausible_webhooks_evaluation_unanswered_total "); ok {
			if err := json.Unmarshal([]byte(rest), &n); err == nil {
				return n
			}
		}
	}
	w.t.Fatal("no metric of unanswered questions")
	return 0
}

// A restore of Plausible's database empties sites for a while.
func TestSitesEmptiedAndRefilledKeepWebhooks(t *testing.T) {
	w := newWorld(t, stack.TestDatabase(t, stack.V32), stack.TestEvents(t))
	w.addSite(1, "example.com")
	w.addSite(2, "shop.example.org")
	w.startReady()
	w.following()
	hook := w.addHook(1, "/kept", hookSecret)
	w.addTrigger(hook, "traffic.spike", 3)
	revision := w.readiness().Config.Revision
	w.exec("truncate public.sites cascade")
	w.until("the emptied table is seen", patience, func() bool { return w.readiness().Config.Revision > revision })
	w.until("no site is left in the view", patience, func() bool { return strings.Contains(w.metrics(), "plausible_webhooks_sites 0") })
	w.addSite(1, "example.com")
	w.addSite(2, "shop.example.org")
	w.until("the sites are back in the view", patience, func() bool { return strings.Contains(w.metrics(), "plausible_webhooks_sites 2") })
	if !value[bool](w, "select enabled and disabled_reason is null and site_missed_at is null from plausible_webhooks.webhooks where id = $1", hook) {
		t.Error("the webhook was switched off or marked")
	}
	w.visit(1, 3, time.Now().Truncate(time.Second).Add(time.Second))
	w.received("/kept", 1, patience)
}
