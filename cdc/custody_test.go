package cdc

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/deploy/devstack/stack"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func (w *world) custody(now time.Time) custodyResult {
	w.t.Helper()
	result, err := keepCustody(w.t.Context(), w.db, now)
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

func (w *world) webhooks() int64 {
	w.t.Helper()
	return w.id("select count(*) from plausible_webhooks.webhooks")
}

func TestWebhooksOfADeletedSiteArePurgedAfterADay(t *testing.T) {
	w := newWorld(t, stack.V32)
	w.site("other.example")
	gone := w.site("gone.example")
	w.webhook(gone)
	instanceWide := w.id("insert into plausible_webhooks.webhooks (url) values ('https://x.example') returning id")
	if got := w.custody(noon); got != (custodyResult{}) {
		t.Fatalf("with all sites there: %+v, want nothing", got)
	}
	w.exec("delete from sites where id = $1", gone)
	if got := w.custody(noon); got != (custodyResult{Missing: 1}) {
		t.Fatalf("the site is gone: %+v", got)
	}
	if got := w.custody(noon.Add(purgeAfter - time.Second)); got != (custodyResult{}) {
		t.Fatalf("a second before a day: %+v, want nothing", got)
	}
	if got := w.custody(noon.Add(purgeAfter)); got != (custodyResult{Purged: 1}) {
		t.Fatalf("after a day: %+v", got)
	}
	if left := w.id("select id from plausible_webhooks.webhooks"); left != instanceWide {
		t.Errorf("webhook %d is left, want the instance-wide one", left)
	}
}

func TestSiteThatReturnsKeepsItsWebhooks(t *testing.T) {
	w := newWorld(t, stack.V32)
	w.site("other.example")
	gone := w.site("gone.example")
	w.webhook(gone)
	w.exec("create table sites_backup as select * from sites where id = $1", gone)
	w.exec("delete from sites where id = $1", gone)
	w.custody(noon)
	w.exec("insert into sites (id, domain, timezone, inserted_at, updated_at) select id, domain, timezone, inserted_at, updated_at from sites_backup")
	// Even if nobody looked in between: the statement itself checks.
	w.exec("update plausible_webhooks.webhooks set site_missed_at = $1", noon.Add(-48*time.Hour))
	if got := w.custody(noon); got != (custodyResult{Returned: 1}) {
		t.Errorf("the site is back: %+v", got)
	}
	if tag, err := w.db.Exec(t.Context(), purge, noon.Add(time.Hour)); err != nil || tag.RowsAffected() != 0 {
		t.Errorf("the purge alone: %v, %v", tag, err)
	}
	w.exec("delete from sites where id = $1", gone)
	if got := w.custody(noon.Add(48 * time.Hour)); got != (custodyResult{Missing: 1}) {
		t.Errorf("gone once more: %+v, want a new day to begin", got)
	}
}

func TestNothingIsPurgedWhileThereAreNoSites(t *testing.T) {
	w := newWorld(t, stack.V32)
	one, two := w.site("one.example"), w.site("two.example")
	w.webhook(one)
	w.webhook(two)
	w.exec("delete from sites where id = $1", one)
	w.custody(noon)
	// A restore begins: it takes two days, and brings one site at first.
	w.exec("delete from sites")
	if got := w.custody(noon.Add(25 * time.Hour)); got != (custodyResult{Returned: 1}) {
		t.Errorf("no sites: %+v, want the clock of the missing one reset", got)
	}
	w.custody(noon.Add(48 * time.Hour))
	w.exec("insert into sites (id, domain, timezone, inserted_at, updated_at) values ($1, 'two.example', 'Etc/UTC', now(), now())", two)
	if got := w.custody(noon.Add(49 * time.Hour)); got != (custodyResult{Missing: 1}) {
		t.Errorf("half restored: %+v, want the other site's webhook missed from now on", got)
	}
	w.exec("insert into sites (id, domain, timezone, inserted_at, updated_at) values ($1, 'one.example', 'Etc/UTC', now(), now())", one)
	w.custody(noon.Add(50 * time.Hour))
	if n := w.webhooks(); n != 2 {
		t.Errorf("%d webhooks are left, want both", n)
	}
}

func TestTransferDisablesWebhooks(t *testing.T) {
	w := newWorld(t, stack.V32)
	team := func() int64 {
		id, err := stack.AddTeam(t.Context(), w.db, stack.Team{})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	first, second := team(), team()
	site := w.site("a.example") // Without a team, as before v3.0's migration.
	active, paused, failing := w.webhook(site), w.webhook(site), w.webhook(site)
	w.exec("update plausible_webhooks.webhooks set enabled = false where id = $1", paused)
	w.exec("update plausible_webhooks.webhooks set enabled = false, disabled_reason = 'failing' where id = $1", failing)
	state := func(id int64) (text string) {
		t.Helper()
		if err := w.db.QueryRow(t.Context(), "select enabled || ' ' || coalesce(disabled_reason, '-') || ' ' || coalesce(site_team_id, 0) from plausible_webhooks.webhooks where id = $1", id).Scan(&text); err != nil {
			t.Fatal(err)
		}
		return strings.NewReplacer(fmt.Sprintf(" %d", first), " first", fmt.Sprintf(" %d", second), " second").Replace(text)
	}
	move := func(to any) {
		t.Helper()
		w.exec("update sites set team_id = $1 where id = $2", to, site)
		w.custody(noon)
	}
	check := func(when string, want ...string) {
		t.Helper()
		for i, id := range []int64{active, paused, failing} {
			if got := state(id); got != want[i] {
				t.Errorf("%s: webhook %d is %q, want %q", when, i, got, want[i])
			}
		}
	}
	w.custody(noon)
	check("no team", "true - 0", "false - 0", "false failing 0")
	move(first)
	check("first sight", "true - first", "false - first", "false failing first")
	move(nil)
	check("team removed", "true - first", "false - first", "false failing first")
	move(first)
	check("same team again", "true - first", "false - first", "false failing first")
	move(second)
	check("transferred", "false transferred second", "false - second", "false transferred second")
	w.exec("update plausible_webhooks.webhooks set enabled = true where id = $1", active)
	w.custody(noon)
	check("enabled again", "true - second", "false - second", "false transferred second")
	move(nil)
	check("its new team deleted", "true - second", "false - second", "false transferred second")
	move(first)
	check("moved back, by way of no team", "false transferred first", "false - first", "false transferred first")
}

func TestPlausibleWithoutTeams(t *testing.T) {
	w := newWorld(t, stack.V21)
	site := w.site("a.example")
	w.webhook(site)
	w.site("b.example")
	w.exec("delete from sites where id = $1", site)
	if got := w.custody(noon); got != (custodyResult{Missing: 1}) {
		t.Errorf("custody did %+v, want the missing site noted", got)
	}
}

// The rules at work, under both modes.
func TestFollowerKeepsCustody(t *testing.T) {
	for _, source := range []Source{SourceReplication, SourcePoll} {
		t.Run(string(source), func(t *testing.T) {
			w := newWorld(t, stack.V32)
			one, err := stack.AddTeam(t.Context(), w.db, stack.Team{})
			if err != nil {
				t.Fatal(err)
			}
			other, err := stack.AddTeam(t.Context(), w.db, stack.Team{})
			if err != nil {
				t.Fatal(err)
			}
			site, err := stack.AddSite(t.Context(), w.db, stack.Site{Domain: "a.example", TeamID: one})
			if err != nil {
				t.Fatal(err)
			}
			w.site("stays.example")
			webhook := w.webhook(site)
			f := follow(t, w.url, Options{Source: source})
			if source == SourceReplication {
				f.replicates()
			}
			f.until(patience, "the team to be remembered", func() bool {
				return w.id("select coalesce(site_team_id, 0) from plausible_webhooks.webhooks where id = $1", webhook) == one
			})
			w.exec("update sites set team_id = $1 where id = $2", other, site)
			f.sees(patience, "the webhook disabled", func(v *config.View) bool {
				h, _ := v.Webhook(webhook)
				return h.Disabled() && h.DisabledReason == "transferred"
			})
			w.exec("delete from sites where id = $1", site)
			f.until(patience, "the site to be missed", func() bool {
				return w.id("select count(*) from plausible_webhooks.webhooks where site_missed_at is not null") == 1
			})
		})
	}
}

func TestRestoreLosesNoWebhook(t *testing.T) {
	for name, inOne := range map[string]bool{"in one transaction": true, "in several": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, stack.V32)
			site := w.site("a.example")
			w.goal(site, stack.Goal{PagePath: "/thanks"})
			webhook := w.webhook(site)
			f := follow(t, w.url, Options{})
			f.replicates()
			w.exec("create table sites_backup as select * from sites; create table goals_backup as select * from goals")
			begin, commit := "begin", "commit"
			if !inOne {
				begin, commit = "select 1", "select 1"
			}
			w.exec(begin)
			w.exec("truncate sites cascade")
			if !inOne {
				f.seesSite(promised, site, false)
			}
			w.exec("insert into sites select * from sites_backup")
			w.exec("insert into goals select * from goals_backup")
			w.exec(commit)
			f.sees(patience, "everything restored", func(v *config.View) bool {
				_, hasSite := v.Site(site)
				_, hasWebhook := v.Webhook(webhook)
				return hasSite && hasWebhook && len(v.GoalsOf(site)) == 1
			})
			f.compares()
			if n := w.webhooks(); n != 1 {
				t.Errorf("%d webhooks are left, want the one", n)
			}
		})
	}
}
