package main

import (
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/stack"
)

// A site goes to another team while the sidecar is down. What is caught up
// then is nothing of the former team's any more.
func TestSiteTransferredDuringDowntime(t *testing.T) {
	w := newWorld(t, stack.TestDatabase(t, stack.V32), stack.TestEvents(t))
	w.environ = append(w.environ, "WEBHOOKS_POLL_INTERVAL=1s")
	s := &scene{world: w, person: newPerson(t, w), domain: "a.example", path: "/former"}
	s.site = s.person.addSite(w, s.domain)
	w.startReady()
	s.hook = s.addHook(s.site, s.path, "")
	s.trigger("goal.completed", "", "")
	s.goal("Signup")
	s.evaluated(2)
	s.happen("Signup", 2, time.Now())
	s.hears("goal.completed Signup 2")
	if err := w.process.Stop(); err != nil {
		t.Fatal(err)
	}
	s.transfer()
	s.happen("Signup", 3, time.Now())
	w.startReady()
	s.until("what fired is recorded", patience, func() bool {
		return value[bool](w, "select count(*) = 2 from plausible_webhooks.webhook_deliveries where webhook_id = $1", s.hook)
	})
	s.evaluated(2)
	if n := len(w.receiver.Requests(s.path)); n != 1 {
		t.Errorf("the former team is told: %s", w.receiver.Requests(s.path)[1].Body)
	}
	if n := value[int](w, "select count(*) from plausible_webhooks.webhook_deliveries where webhook_id = $1 and status = 'cancelled'", s.hook); n != 1 {
		t.Errorf("%d firings are kept for who enables the webhook again; want 1", n)
	}
}
