package main

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// Every transition of goals that a person can cause, and what the receiver
// hears of it.
func TestTransitionsOfGoals(t *testing.T) {
	t.Parallel() // It waits most of the time.
	const threshold = "threshold, window_seconds, notify_recovery"
	sharing(t, map[string]func(*scene){
		"a goal is added and deleted in Plausible": func(s *scene) {
			s.trigger("goal.completed", "", "")
			s.happen("Signup", 2, time.Now())
			s.silence("without a goal nothing is completed")
			s.person.submit(s.t, http.MethodPost, s.domain, "/"+s.domain+"/settings/goals", url.Values{"event_name": {"Signup"}})
			id := value[int64](s.world, "select id from public.goals where site_id = $1", s.site)
			s.silence("those were before the goal")
			s.happen("Signup", 3, time.Now())
			s.hears("goal.completed Signup 3")
			s.person.submit(s.t, http.MethodPost, s.domain, "/"+s.domain+"/settings/goals/"+fmt.Sprint(id)+"/delete", nil)
			s.evaluated(2)
			s.happen("Signup", 1, time.Now())
			s.silence("the goal is gone")
		},
		"a goal is renamed and edited in place": func(s *scene) {
			s.trigger("goal.completed", "", "")
			id := s.goal("Signup")
			s.happen("Signup", 1, time.Now())
			s.hears("goal.completed Signup 1")
			s.exec("update public.goals set display_name = 'Joined', updated_at = now() at time zone 'utc' where id = $1", id)
			s.evaluated(2)
			s.happen("Signup", 2, time.Now().Add(-time.Second))
			s.hears("goal.completed Joined 2") // The same goal, and nothing is lost.
			s.happen("Register", 4, time.Now().Add(-time.Second))
			// In a later second than the new name: an edit within one is timed by when it is seen.
			at := value[time.Time](s.world, "update public.goals set event_name = 'Register', updated_at = greatest(date_trunc('second', now() at time zone 'utc'), updated_at + interval '1 s') where id = $1 returning updated_at", id)
			s.silence("those were before the edit")
			s.happen("Register", 5, at.Add(time.Second))
			s.hears("goal.completed Joined 5")
			s.happen("Signup", 5, time.Now())
			s.silence("it is defined by another event")
		},
		"a goal gets a trigger of its own and loses it": func(s *scene) {
			all := s.trigger("goal.completed", "", "")
			id := s.goal("Signup")
			s.goal("Other")
			s.happen("Signup", 1, time.Now())
			if by := s.hears("goal.completed Signup 1")[0].Data.Trigger.ID; by != all {
				s.t.Errorf("told by trigger %d; want %d", by, all)
			}
			own := s.trigger("goal.completed", "goal_id, cooldown_seconds, restarted_at", fmt.Sprint(id)+", 0, now()")
			from := s.alter(own, "cooldown_seconds = 0")
			s.evaluated(2)
			s.happen("Signup", 2, from)
			s.happen("Other", 1, time.Now())
			for _, h := range s.hears("goal.completed Signup 2", "goal.completed Other 1") {
				if want := map[string]int64{"Signup": own, "Other": all}[h.Data.Goal.Name]; h.Data.Trigger.ID != want {
					s.t.Errorf("%s told by trigger %d; want %d", h, h.Data.Trigger.ID, want)
				}
			}
			s.exec("delete from plausible_webhooks.webhook_triggers where id = $1", own)
			s.silence("what its own trigger has told is not told again")
			s.happen("Signup", 3, time.Now())
			if by := s.hears("goal.completed Signup 3")[0].Data.Trigger.ID; by != all {
				s.t.Errorf("told by trigger %d; want %d", by, all)
			}
		},
		"a trigger of completions is disabled and enabled": func(s *scene) {
			id := s.trigger("goal.completed", "", "")
			s.goal("Signup")
			s.happen("Signup", 1, time.Now())
			s.hears("goal.completed Signup 1")
			s.alter(id, "enabled = false")
			s.evaluated(2)
			s.happen("Signup", 2, time.Now())
			from := s.alter(id, "enabled = true")
			s.silence("time disabled is not caught up")
			s.happen("Signup", 3, from)
			s.hears("goal.completed Signup 3")
		},
		"completions gather during a cooldown": func(s *scene) {
			id := s.trigger("goal.completed", "cooldown_seconds", "3600")
			s.goal("Signup")
			s.happen("Signup", 1, time.Now())
			s.hears("goal.completed Signup 1")
			s.happen("Signup", 2, time.Now())
			s.silence("within the cooldown")
			s.happen("Signup", 3, time.Now())
			s.alter(id, "cooldown_seconds = 0")
			s.hears("goal.completed Signup 5")
		},
		"a trigger is of another site's goal": func(s *scene) {
			foreign := value[int64](s.world, "insert into public.goals (site_id, event_name, display_name, inserted_at, updated_at) select id, 'Signup', 'Foreign', "+old+", "+old+" from public.sites where domain = 'bystander.example' returning id")
			s.trigger("goal.completed", "goal_id", fmt.Sprint(foreign))
			s.goal("Signup")
			s.happen("Signup", 2, time.Now())
			s.silence("it is broken")
		},
		"the statistics are reset in Plausible": func(s *scene) {
			s.trigger("goal.completed", "", "")
			s.goal("Signup")
			s.happen("Signup", 1, time.Now())
			s.hears("goal.completed Signup 1")
			s.person.submit(s.t, http.MethodDelete, s.domain, "/"+s.domain+"/stats", nil)
			s.evaluated(2)
			s.happen("Signup", 2, time.Now().Add(-time.Minute))
			s.silence("those were before the reset")
			s.happen("Signup", 3, time.Now())
			s.hears("goal.completed Signup 3")
		},
		"a threshold is reached, raised and lowered": func(s *scene) {
			id := s.trigger("goal.threshold", threshold+", cooldown_seconds, repeat", "2, 60, true, 0, false")
			s.goal("Signup")
			s.happen("Signup", 1, time.Now().Add(20*time.Second)) // Counts once its second has come.
			s.happen("Signup", 3, time.Now())
			s.hears("goal.threshold Signup 3")
			s.alter(id, "threshold = 9")
			s.hears("goal.threshold.ended Signup 3 changed")
			s.alter(id, "threshold = 3")
			s.hears("goal.threshold Signup 3")
			s.forget()
			ended := s.hears("goal.threshold.ended Signup 0 recovered")[0]
			if ended.Data.PeakConversions < 3 {
				s.t.Errorf("peak %d; want 3 at least", ended.Data.PeakConversions)
			}
		},
		"the goal of a threshold is deleted in Plausible": func(s *scene) {
			id := s.goal("Signup")
			s.trigger("goal.threshold", threshold+", goal_id", "2, 300, true, "+fmt.Sprint(id))
			s.happen("Signup", 2, time.Now())
			s.hears("goal.threshold Signup 2")
			s.person.submit(s.t, http.MethodPost, s.domain, "/"+s.domain+"/settings/goals/"+fmt.Sprint(id)+"/delete", nil)
			s.hears("goal.threshold.ended Signup null removed")
		},
		"the goal of a threshold is defined anew": func(s *scene) {
			id := s.goal("Signup")
			s.trigger("goal.threshold", threshold, "2, 300, true")
			s.happen("Signup", 2, time.Now())
			s.hears("goal.threshold Signup 2")
			s.exec("update public.goals set event_name = 'Register', updated_at = now() at time zone 'utc' where id = $1", id)
			s.hears("goal.threshold.ended Signup null changed")
		},
		"a trigger changes its type there and back": func(s *scene) {
			id := s.trigger("goal.threshold", threshold, "2, 60, true")
			s.goal("Signup")
			s.happen("Signup", 2, time.Now())
			s.hears("goal.threshold Signup 2")
			from := s.alter(id, "type = 'goal.completed', threshold = null, window_seconds = null")
			s.hears("goal.threshold.ended Signup null changed")
			s.happen("Signup", 3, from)
			s.hears("goal.completed Signup 3")
			from = s.alter(id, "type = 'goal.threshold', threshold = 4, window_seconds = 300")
			s.silence("those were before the change")
			s.happen("Signup", 4, from)
			s.hears("goal.threshold Signup 4")
		},
	})
}
