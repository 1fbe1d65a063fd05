package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/stack"

	"github.com/jackc/pgx/v5"
)

// Sites that change hands, and goals and domains of somebody else: who is told
// what.
func TestTenancy(t *testing.T) {
	const spike = "threshold, window_seconds, notify_recovery, cooldown_seconds"
	sharing(t, map[string]func(*scene){
		"a site is transferred to another team": func(s *scene) {
			s.trigger("traffic.spike", spike, "3, 300, true, 0")
			s.visitors(3, time.Now())
			s.hears("traffic.spike 3")
			waiting := value[string](s.world, `insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload, next_attempt_at)
				values ($1, 'webhook.test', '{}', now() + interval '1 hour') returning id::text`, s.hook)
			s.transfer()
			s.until("the webhook is disabled", patience, func() bool {
				return value[bool](s.world, "select not enabled and disabled_reason = 'transferred' from plausible_webhooks.webhooks where id = $1", s.hook)
			})
			if status := s.finished(waiting); status != "cancelled" {
				s.t.Errorf("what was waiting is %s; want cancelled", status)
			}
			s.seen = len(s.receiver.Requests(s.path)) // What went out until the transfer was seen.
			s.visitors(9, time.Now())
			s.evaluated(3)
			if n := len(s.receiver.Requests(s.path)); n > s.seen {
				s.t.Errorf("the former team is told: %s", s.receiver.Requests(s.path)[s.seen].Body)
			}
			if !value[bool](s.world, "select coalesce(bool_and(status in ('cancelled', 'delivered')), true) from plausible_webhooks.webhook_deliveries where webhook_id = $1", s.hook) {
				s.t.Error("a delivery is still to go out")
			}
		},
		"a site becomes a consolidated one": func(s *scene) {
			neighbour := s.neighbour()
			for _, of := range []*scene{s, neighbour} {
				of.trigger("traffic.spike", spike, "3, 300, true, 3600")
				of.trigger("goal.completed", "", "")
				of.goal("Signup")
			}
			s.exec("update public.sites set consolidated = true where id = $1", s.site)
			s.evaluated(2)
			for _, of := range []*scene{s, neighbour} {
				of.visitors(5, time.Now())
			}
			neighbour.hears("traffic.spike 5")
			for _, of := range []*scene{s, neighbour} {
				of.happen("Signup", 2, time.Now())
			}
			neighbour.hears("goal.completed Signup 2")
			s.silence("such a site does not exist for webhooks")
		},
		"another team registers a domain that was given up": func(s *scene) {
			s.trigger("traffic.spike", spike, "3, 300, true, 0")
			s.exec("update public.sites set domain = 'moved-' || domain where id = $1", s.site)
			taken := value[int64](s.world, `insert into public.sites (domain, timezone, team_id, inserted_at, updated_at, native_stats_start_at)
				values ($1, 'Etc/UTC', $2, now(), now(), '2020-01-01') returning id`, s.domain, s.team())
			s.evaluated(2)
			s.at(taken).visitors(8, time.Now())
			s.silence("those visit the other team's site")
			s.visitors(4, time.Now())
			if got := s.hears("traffic.spike 4")[0].Data.Site.Domain; got != "moved-"+s.domain {
				s.t.Errorf("domain %s; want that of the webhook's own site", got)
			}
		},
		"a trigger is of another site's goal, which is completed": func(s *scene) {
			neighbour := s.neighbour()
			foreign := value[int64](s.world, "insert into public.goals (site_id, event_name, display_name, inserted_at, updated_at) values ($1, 'Signup', 'Internal name', "+old+", "+old+") returning id", neighbour.site)
			s.trigger("goal.completed", "goal_id", fmt.Sprint(foreign))
			s.trigger("goal.threshold", "goal_id, threshold, window_seconds", fmt.Sprint(foreign)+", 1, 300")
			neighbour.trigger("goal.completed", "goal_id", fmt.Sprint(foreign))
			neighbour.happen("Signup", 3, time.Now())
			s.happen("Signup", 2, time.Now())
			neighbour.hears("goal.completed Internal name 3")
			s.silence("it is none of this site's")
			if value[bool](s.world, "select exists (select from plausible_webhooks.webhook_deliveries where payload like '%Internal name%' and site_id <> $1)", neighbour.site) {
				s.t.Error("a delivery names the goal")
			}
			if out, err := s.process.Command(s.t.Context(), "webhook", "list", "--site", s.domain); err != nil || !strings.Contains(out, "broken") {
				s.t.Errorf("webhook list: %v; want the triggers told as broken\n%s", err, out)
			}
		},
		// As every site of v2.1. Its page opens for nobody; the commands work.
		"the team of a site is deleted": func(s *scene) {
			s.trigger("traffic.spike", spike, "3, 300, false, 0")
			s.exec("update public.sites set team_id = null where id = $1", s.site)
			s.evaluated(2)
			s.visitors(3, time.Now())
			s.hears("traffic.spike 3")
			if _, err := s.process.Command(s.t.Context(), "webhook", "update", fmt.Sprint(s.hook), "--disable"); err != nil {
				s.t.Error(err)
			}
			s.evaluated(2)
			s.visitors(9, time.Now())
			s.silence("the operator has paused it")
		},
	})
}

// at is a scene whose events and goals are those of another site.
func (s *scene) at(site int64) *scene {
	other := *s
	other.site = site
	return &other
}

// neighbour is a second site with a webhook of its own, whose firings show what
// has been evaluated.
func (s *scene) neighbour() *scene {
	s.t.Helper()
	other := *s
	other.domain, other.path, other.seen = "beside-"+s.domain, s.path+"-beside", 0
	other.site = s.person.addSite(s.world, other.domain)
	other.hook = s.addHook(other.site, other.path, "")
	return &other
}

// team is one without members.
func (s *scene) team() (id int64) {
	s.t.Helper()
	s.db(func(conn *pgx.Conn) (err error) {
		id, err = stack.AddTeam(s.t.Context(), conn, stack.Team{})
		return err
	})
	return id
}

// transfer gives the site to another team, once its own is remembered.
func (s *scene) transfer() {
	s.t.Helper()
	s.until("the site's team is known", patience, func() bool {
		return value[bool](s.world, "select site_team_id is not null from plausible_webhooks.webhooks where id = $1", s.hook)
	})
	s.exec("update public.sites set team_id = $1 where id = $2", s.team(), s.site)
}
