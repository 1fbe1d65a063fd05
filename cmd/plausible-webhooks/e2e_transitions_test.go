package main

import (
	"net/url"
	"testing"
	"time"
)

// Every transition of traffic that a person can cause, with Plausible's
// settings or with plain SQL, and what the receiver hears of it.
func TestTransitionsOfTraffic(t *testing.T) {
	t.Parallel() // It waits most of the time.
	const spike = "threshold, window_seconds, notify_recovery"
	sharing(t, map[string]func(*scene){
		"a notification of Plausible is switched on, edited and off": func(s *scene) {
			s.trigger("traffic.spike", "window_seconds, notify_recovery, cooldown_seconds, repeat", "300, true, 0, false")
			s.visitors(12, time.Now())
			s.silence("without a notification there is no threshold")
			base := "/sites/" + s.domain + "/traffic-change-notification/spike"
			s.person.submit(s.t, "POST", s.domain, base+"/enable", nil) // Plausible proposes 10.
			s.hears("traffic.spike 12")
			s.person.submit(s.t, "PUT", s.domain, base, url.Values{"threshold": {"50"}})
			s.hears("traffic.spike.ended 12 changed")
			s.person.submit(s.t, "PUT", s.domain, base, url.Values{"threshold": {"11"}})
			s.hears("traffic.spike 12")
			s.person.submit(s.t, "POST", s.domain, base+"/disable", nil)
			s.hears("traffic.spike.ended null changed")
		},
		"a drop notification of Plausible is switched on and off": func(s *scene) {
			s.trigger("traffic.drop", "window_seconds, notify_recovery", "60, true")
			s.visitors(3, time.Now().Add(-time.Hour))
			s.silence("without a notification there is no threshold")
			base := "/sites/" + s.domain + "/traffic-change-notification/drop"
			s.person.submit(s.t, "POST", s.domain, base+"/enable", nil)
			s.hears("traffic.drop 0")
			s.person.submit(s.t, "POST", s.domain, base+"/disable", nil)
			s.hears("traffic.drop.ended null changed")
		},
		"the threshold is raised and lowered while it fires": func(s *scene) {
			id := s.trigger("traffic.spike", spike, "3, 300, true")
			s.visitors(4, time.Now())
			s.hears("traffic.spike 4")
			s.alter(id, "threshold = 9")
			s.hears("traffic.spike.ended 4 changed")
			s.alter(id, "threshold = 3")
			s.silence("within the cooldown of the first firing")
			s.alter(id, "cooldown_seconds = 0, repeat = false")
			s.hears("traffic.spike 4")
			s.alter(id, "threshold = 4")
			s.silence("the condition holds with the new threshold too")
		},
		"visitors leave and come again": func(s *scene) {
			s.trigger("traffic.spike", spike+", cooldown_seconds, repeat", "3, 300, true, 0, false")
			s.visitors(5, time.Now())
			first := s.hears("traffic.spike 5")[0]
			s.forget()
			ended := s.hears("traffic.spike.ended 0 recovered")[0]
			if ended.Data.Episode.ID != first.Data.Episode.ID || ended.Data.PeakVisitors != 5 {
				s.t.Errorf("end %+v; want the episode %s with a peak of 5", ended.Data, first.Data.Episode.ID)
			}
			s.visitors(3, time.Now())
			if again := s.hears("traffic.spike 3")[0]; again.Data.Episode.ID == first.Data.Episode.ID {
				s.t.Error("the second episode has the id of the first")
			}
		},
		"traffic drops and recovers": func(s *scene) {
			s.visitors(3, time.Now().Add(-time.Hour))
			s.trigger("traffic.drop", spike, "2, 60, true")
			s.hears("traffic.drop 0")
			s.visitors(2, time.Now())
			s.hears("traffic.drop.ended 2 recovered")
		},
		"a drop's threshold is lowered while it fires": func(s *scene) {
			s.visitors(3, time.Now().Add(-time.Hour))
			s.visitors(1, time.Now().Add(20*time.Second)) // Stays in the window for the whole case.
			id := s.trigger("traffic.drop", spike, "2, 60, true")
			s.hears("traffic.drop 1")
			s.alter(id, "threshold = 1")
			s.hears("traffic.drop.ended 1 changed")
		},
		"the window is shortened": func(s *scene) {
			s.visitors(4, time.Now().Add(-100*time.Second))
			id := s.trigger("traffic.spike", spike, "4, 300, true")
			s.hears("traffic.spike 4")
			s.alter(id, "window_seconds = 60")
			s.hears("traffic.spike.ended 0 changed")
		},
		"the trigger is disabled and enabled": func(s *scene) {
			id := s.trigger("traffic.spike", spike, "3, 300, true")
			s.visitors(3, time.Now())
			s.hears("traffic.spike 3")
			s.alter(id, "enabled = false")
			s.hears("traffic.spike.ended null changed")
			from := s.alter(id, "enabled = true")
			s.silence("those visitors came before it was enabled")
			s.visitors(3, from)
			s.hears("traffic.spike 3")
		},
		"the trigger is deleted": func(s *scene) {
			id := s.trigger("traffic.spike", spike, "3, 300, true")
			s.visitors(3, time.Now())
			s.hears("traffic.spike 3")
			s.exec("delete from plausible_webhooks.webhook_triggers where id = $1", id)
			s.hears("traffic.spike.ended null removed")
			s.trigger("traffic.spike", spike, "2, 300, true")
			s.hears("traffic.spike 3")
		},
		"recovery is asked for while it fires": func(s *scene) {
			id := s.trigger("traffic.spike", "threshold, window_seconds", "3, 300")
			s.visitors(3, time.Now())
			s.hears("traffic.spike 3")
			s.alter(id, "notify_recovery = true")
			s.evaluated(2) // The episode takes note of it while it lasts.
			s.forget()
			s.hears("traffic.spike.ended 0 recovered")
		},
		"the webhook is paused and resumed": func(s *scene) {
			s.trigger("traffic.spike", spike, "3, 300, true")
			s.visitors(3, time.Now())
			s.hears("traffic.spike 3")
			s.exec("update plausible_webhooks.webhooks set enabled = false where id = $1", s.hook)
			s.until("the end is written, and waits", patience, func() bool {
				return value[bool](s.world, "select count(*) = 1 from plausible_webhooks.webhook_deliveries where webhook_id = $1 and status = 'pending'", s.hook)
			})
			s.visitors(9, time.Now())
			from := value[time.Time](s.world, "update plausible_webhooks.webhooks set enabled = true where id = $1 returning restarted_at", s.hook).Truncate(time.Second).Add(time.Second)
			s.hears("traffic.spike.ended null changed")
			s.silence("time paused is not caught up")
			s.visitors(4, from)
			s.hears("traffic.spike 4")
		},
		"the webhook is disabled by the system": func(s *scene) {
			s.trigger("traffic.spike", spike, "3, 300, true")
			s.exec("update plausible_webhooks.webhooks set enabled = false, disabled_reason = 'failing' where id = $1", s.hook)
			s.visitors(3, time.Now())
			s.until("the firing is recorded as cancelled", patience, func() bool {
				return value[bool](s.world, "select count(*) = 1 from plausible_webhooks.webhook_deliveries where webhook_id = $1 and status = 'cancelled'", s.hook)
			})
		},
		"the webhook is deleted": func(s *scene) {
			s.trigger("traffic.spike", spike, "3, 300, true")
			s.visitors(3, time.Now())
			s.hears("traffic.spike 3")
			s.exec("delete from plausible_webhooks.webhooks where id = $1", s.hook)
			s.visitors(3, time.Now())
			s.silence("nobody is there to hear the end")
		},
		"the site is deleted in Plausible": func(s *scene) {
			s.trigger("traffic.spike", spike, "3, 300, true")
			s.visitors(3, time.Now())
			s.hears("traffic.spike 3")
			s.person.submit(s.t, "DELETE", s.domain, "/"+s.domain, nil)
			s.until("the end is written", patience, func() bool {
				return value[bool](s.world, "select count(*) = 1 from plausible_webhooks.webhook_deliveries where webhook_id = $1 and event_type = 'traffic.spike.ended' and payload::json->'data'->>'reason' = 'removed'", s.hook)
			})
		},
		"the statistics are reset in Plausible": func(s *scene) {
			s.trigger("traffic.spike", spike, "3, 300, true")
			s.visitors(3, time.Now().Add(-10*time.Second))
			s.hears("traffic.spike 3")
			s.person.submit(s.t, "DELETE", s.domain, "/"+s.domain+"/stats", nil)
			s.hears("traffic.spike.ended 0 recovered")
		},
		"the domain is changed": func(s *scene) {
			id := s.trigger("traffic.spike", spike, "3, 300, true")
			s.visitors(3, time.Now())
			if got := s.hears("traffic.spike 3")[0].Data.Site.Domain; got != s.domain {
				s.t.Errorf("domain %s; want %s", got, s.domain)
			}
			s.exec("update public.sites set domain = 'new-' || domain, domain_changed_from = domain, domain_changed_at = now() where id = $1", s.site)
			s.evaluated(2)
			s.alter(id, "threshold = 9")
			if got := s.hears("traffic.spike.ended 3 changed")[0].Data.Site.Domain; got != "new-"+s.domain {
				s.t.Errorf("domain %s; want new-%s", got, s.domain)
			}
		},
		"a spike becomes a drop": func(s *scene) {
			s.visitors(5, time.Now().Add(-time.Hour))
			id := s.trigger("traffic.spike", spike, "3, 60, true")
			s.visitors(3, time.Now().Add(20*time.Second)) // Stay in the window for the whole case.
			s.hears("traffic.spike 3")
			s.alter(id, "type = 'traffic.drop', threshold = 4")
			s.hears("traffic.spike.ended null changed", "traffic.drop 3")
		},
	})
}
