package cdc

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/deploy/devstack/stack"
)

func TestChangesAreVisibleWithinASecond(t *testing.T) {
	for _, version := range []int{16, 17, 18} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			var w *world
			if version == 16 {
				w = newWorld(t, stack.V32)
			} else {
				w = worldIn(t, stack.TestPostgresWith(t, stack.PostgresOptions{Version: version}), stack.V32)
			}
			before := w.site("before.example")
			f := follow(t, w.url, Options{Source: SourceReplication})
			f.replicates()
			f.seesSite(promised, before, true)

			// The engines run without fsync: what provokes missed wake-ups.
			for i := range 20 {
				id := w.site(fmt.Sprintf("site-%d.example", i))
				f.seesSite(promised, id, true)
			}
			w.exec("update sites set domain = 'renamed.example', timezone = 'Europe/Tallinn' where id = $1", before)
			f.sees(promised, "the new name", func(v *config.View) bool {
				s, _ := v.Site(before)
				return s.Domain == "renamed.example" && s.Timezone == "Europe/Tallinn"
			})
			if found := f.compares(); len(found) > 0 {
				t.Errorf("a full read differs from the stream: %+v", found)
			}
			if n := f.sessions(); n != 1 {
				t.Errorf("there were %d sessions, want 1", n)
			}
		})
	}
}

func TestWebhookAndTriggersOfOneTransactionAppearTogether(t *testing.T) {
	w := newWorld(t, stack.V32)
	site := w.site("a.example")
	f := follow(t, w.url, Options{})
	f.replicates()
	changed, cancel := f.Subscribe()
	defer cancel()
	<-changed // The view that is there already.
	revision := f.View().Revision

	webhook := w.id(`with w as (
			insert into plausible_webhooks.webhooks (site_id, url, secret, name) values ($1, 'https://x.example/y', 'whsec_x', 'Ops') returning id),
		t as (insert into plausible_webhooks.webhook_triggers (webhook_id, type, threshold, cooldown_seconds)
			select id, 'traffic.spike', 100, 0 from w
			union all select id, 'goal.completed', null, null from w)
		select id from w`, site)
	f.sees(promised, "the webhook", func(v *config.View) bool {
		_, ok := v.Webhook(webhook)
		return ok
	})
	view := f.View()
	if view.Revision != revision+1 {
		t.Errorf("the revision went from %d to %d, want one step", revision, view.Revision)
	}
	triggers := view.TriggersOf(webhook)
	if len(triggers) != 2 {
		t.Fatalf("with the webhook came %d triggers, want 2", len(triggers))
	}
	if c := triggers[0].CooldownSeconds; c == nil || *c != 0 {
		t.Errorf("the cooldown of zero is %v", c)
	}
	if c := triggers[1].CooldownSeconds; c != nil {
		t.Errorf("the default cooldown is %d, want none", *c)
	}
	w.exec("delete from plausible_webhooks.webhooks where id = $1", webhook)
	f.sees(promised, "the cascade to triggers", func(v *config.View) bool {
		return v.WebhookCount() == 0 && len(v.TriggersOf(webhook)) == 0
	})
}

func TestNoSecretOrURLIsKept(t *testing.T) {
	w := newWorld(t, stack.V32)
	site := w.site("a.example")
	w.webhook(site)
	f := follow(t, w.url, Options{})
	f.replicates()
	id := w.webhook(site)
	f.sees(promised, "the webhook", func(v *config.View) bool { _, ok := v.Webhook(id); return ok })
	f.stop()
	kept := f.known()
	for place, text := range map[string]string{
		"the view": fmt.Sprintf("%+v %+v", rowsOf(kept.Webhooks), rowsOf(kept.Triggers)), "the log": f.log.text(), "the status": fmt.Sprintf("%+v", f.Status()),
	} {
		if strings.Contains(text, "secret-path") || strings.Contains(text, "whsec_") {
			t.Errorf("%s holds a URL or a secret", place)
		}
	}
}

func TestLargeValuesSurviveUnrelatedUpdates(t *testing.T) {
	w := newWorld(t, stack.V32)
	domain := strings.Repeat("d", 240) + ".example"
	site := w.site(domain)
	// Random text does not compress, so it is stored out of line.
	random := w.db.QueryRow(t.Context(), "select string_agg(md5(n::text), '') from generate_series(1, 400) n")
	var large string
	if err := random.Scan(&large); err != nil {
		t.Fatal(err)
	}
	f := follow(t, w.url, Options{})
	f.replicates()
	// The properties of page goals are in no index, whose rows are limited.
	goal := w.goal(site, stack.Goal{PagePath: "/thanks", CustomProps: map[string]string{"plan": large}})
	w.exec("update goals set display_name = 'renamed' where id = $1", goal)
	f.sees(promised, "the goal with its properties", func(v *config.View) bool {
		g, _ := v.Goal(goal)
		return g.DisplayName == "renamed" && g.CustomProps["plan"] == large
	})
	// The same for a row that the snapshot brought.
	f.stop()
	f = follow(t, w.url, Options{})
	f.replicates()
	w.exec("update goals set display_name = 'again', id = id + 1000 where id = $1", goal)
	f.sees(promised, "the goal under its new key", func(v *config.View) bool {
		_, old := v.Goal(goal)
		g, _ := v.Goal(goal + 1000)
		return !old && g.DisplayName == "again" && g.CustomProps["plan"] == large
	})
	w.exec("update sites set timezone = 'Europe/Tallinn' where id = $1", site)
	f.sees(promised, "the site with its domain", func(v *config.View) bool {
		s, _ := v.Site(site)
		return s.Timezone == "Europe/Tallinn" && s.Domain == domain
	})
	if n := f.sessions(); n != 1 {
		t.Errorf("there were %d sessions, want 1", n)
	}
}

func TestDeletesCascadesAndTruncate(t *testing.T) {
	w := newWorld(t, stack.V32)
	keep, gone := w.site("keep.example"), w.site("gone.example")
	goal := w.goal(gone, stack.Goal{PagePath: "/thanks"})
	kept := w.goal(keep, stack.Goal{PagePath: "/thanks"})
	w.notification(gone, stack.Notification{Threshold: 7})
	f := follow(t, w.url, Options{})
	f.replicates()
	w.exec("delete from sites where id = $1", gone)
	f.sees(promised, "the site and all of it gone", func(v *config.View) bool {
		_, site := v.Site(gone)
		_, g := v.Goal(goal)
		_, n := v.Notification(gone, config.NotifySpike)
		return !site && !g && !n
	})
	if goals := f.View().GoalsOf(keep); len(goals) != 1 || goals[0].ID != kept {
		t.Errorf("the other site has the goals %+v", goals)
	}
	w.exec("truncate sites cascade")
	f.sees(promised, "no site", func(v *config.View) bool { return v.SiteCount() == 0 && len(v.GoalsOf(keep)) == 0 })
	if found := f.compares(); len(found) > 0 {
		t.Errorf("a full read differs from the stream: %+v", found)
	}
}

func TestPseudoSitesAreNotSeen(t *testing.T) {
	w := newWorld(t, stack.V32)
	team, err := stack.AddTeam(t.Context(), w.db, stack.Team{})
	if err != nil {
		t.Fatal(err)
	}
	pseudo, err := stack.AddSite(t.Context(), w.db, stack.Site{Domain: "all-sites", TeamID: team, Consolidated: true})
	if err != nil {
		t.Fatal(err)
	}
	f := follow(t, w.url, Options{})
	f.replicates()
	f.seesSite(promised, pseudo, false)
	revision := f.View().Revision
	w.exec("update sites set domain = 'other-name' where id = $1", pseudo)
	marker := w.site("marker.example")
	f.seesSite(promised, marker, true)
	if got := f.View().Revision; got != revision+1 {
		t.Errorf("the revision went from %d to %d, want one step for the marker alone", revision, got)
	}
	w.exec("update sites set consolidated = false where id = $1", pseudo)
	f.sees(promised, "the site it has become", func(v *config.View) bool {
		s, _ := v.Site(pseudo)
		return s.Domain == "other-name" && s.TeamID == team
	})
	w.exec("delete from sites where id = $1", pseudo)
	f.seesSite(promised, pseudo, false)
}

func TestSentNotificationIsNoChange(t *testing.T) {
	w := newWorld(t, stack.V32)
	site := w.site("a.example")
	n := w.notification(site, stack.Notification{Threshold: 7})
	f := follow(t, w.url, Options{})
	f.replicates()
	f.sees(promised, "the notification", func(v *config.View) bool {
		got, ok := v.Notification(site, config.NotifySpike)
		return ok && got.Threshold == 7
	})
	revision := f.View().Revision
	w.exec("update spike_notifications set last_sent = now() where id = $1", n)
	w.exec("update spike_notifications set threshold = 8 where id = $1", n)
	f.sees(promised, "the threshold", func(v *config.View) bool {
		got, _ := v.Notification(site, config.NotifySpike)
		return got.Threshold == 8
	})
	if got := f.View().Revision; got != revision+1 {
		t.Errorf("the revision went from %d to %d, want one step for the threshold alone", revision, got)
	}
}

func TestEveryVersionOfPlausible(t *testing.T) {
	for _, version := range stack.PlausibleVersions() {
		for _, source := range []Source{SourceReplication, SourcePoll} {
			t.Run(string(version)+"/"+string(source), func(t *testing.T) {
				w := newWorld(t, version)
				f := follow(t, w.url, Options{Source: source})
				if source == SourceReplication {
					f.replicates()
				}
				site := w.site("a.example")
				goal := w.goal(site, stack.Goal{PagePath: "/thanks"})
				w.notification(site, stack.Notification{Type: "drop", Threshold: 3})
				webhook := w.webhook(site)
				f.sees(2*time.Second, "all of it", func(v *config.View) bool {
					s, _ := v.Site(site)
					g, _ := v.Goal(goal)
					n, _ := v.Notification(site, config.NotifyDrop)
					h, _ := v.Webhook(webhook)
					return s.Domain == "a.example" && s.TeamID == 0 && !s.NativeStatsStartAt.IsZero() &&
						g.Kind() == config.GoalPage && g.ScrollThreshold == config.NoScrollThreshold &&
						n.Threshold == 3 && h.Enabled && !h.InsertedAt.IsZero()
				})
				if warnings := f.log.warnings(); len(warnings) > 0 {
					t.Errorf("logged %q", warnings)
				}
			})
		}
	}
}
