package cdc

import (
	"errors"
	"strings"
	"testing"

	"plausible-webhooks/config"
	"plausible-webhooks/deploy/devstack/stack"
)

func TestPublicationIsMadeCompletedOrAccepted(t *testing.T) {
	for name, before := range map[string]struct {
		sql     string
		changed bool
	}{
		"none":                      {"select 1", true},
		"one of ours":               {publicationSQL(), false},
		"some tables":               {"create publication plausible_webhooks for table sites, goals", true},
		"one table more":            {publicationSQL() + ", public.teams", false},
		"full identity":             {"alter table goals replica identity full; " + publicationSQL(), false},
		"another one, of all":       {"create publication other for all tables; " + publicationSQL(), false},
		"nothing but the operation": {"create publication plausible_webhooks", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, stack.V32)
			w.exec(before.sql)
			changed, err := ensurePublication(t.Context(), w.db)
			if err != nil || changed != before.changed {
				t.Errorf("changed %v, %v; want %v", changed, err, before.changed)
			}
			if n := w.id("select count(*) from pg_publication_tables where pubname = 'plausible_webhooks' and tablename in ('sites', 'goals', 'spike_notifications', 'webhooks', 'webhook_triggers')"); n != 5 {
				t.Errorf("%d of our tables are published, want 5", n)
			}
			if n := w.id("select count(*) from pg_publication_tables where pubname = 'plausible_webhooks'"); before.changed && n != 5 {
				t.Errorf("%d tables are published, want none but ours", n)
			}
			if changed, err := ensurePublication(t.Context(), w.db); changed || err != nil {
				t.Errorf("a second time: changed %v, %v; want nothing", changed, err)
			}
			// What a harmful publication would break.
			site := w.site("a.example")
			w.exec("update sites set domain = 'b.example' where id = $1", site)
			w.exec("delete from sites where id = $1", site)
			w.exec("alter table goals alter column display_name type varchar(300), drop column currency")
		})
	}
}

func TestHarmfulPublicationIsRefusedWithTheRemedy(t *testing.T) {
	for name, c := range map[string]struct{ before, want string }{
		"all tables":             {"create publication plausible_webhooks for all tables", "all tables"},
		"a schema":               {"create publication plausible_webhooks for tables in schema public", "whole schemas"},
		"a column list":          {"create publication plausible_webhooks for table sites (id, domain)", "a column list for public.sites"},
		"a row filter":           {"create publication plausible_webhooks for table sites where (id > 5)", "a row filter for public.sites"},
		"inserts only":           {"create publication plausible_webhooks with (publish = 'insert')", "SET (publish = 'insert, update, delete, truncate')"},
		"no truncates":           {"create publication plausible_webhooks with (publish = 'insert, update, delete')", "leaves out some operations"},
		"a table without a key":  {"create table keyless (n int); create publication plausible_webhooks for table keyless", "DROP TABLE public.keyless"},
		"our table has no key":   {"alter table goals drop constraint goals_pkey cascade", "table public.goals has no primary key on id"},
		"our table, no identity": {"alter table goals replica identity nothing", "REPLICA IDENTITY DEFAULT"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, stack.V32)
			w.exec(c.before)
			_, err := ensurePublication(t.Context(), w.db)
			var unavailable *UnavailableError
			if !errors.As(err, &unavailable) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error is %v, want one with %q", err, c.want)
			}
			if n := w.id("select count(*) from pg_publication_tables where pubname = 'plausible_webhooks' and tablename = 'webhooks'"); n != 0 && !strings.Contains(name, "all") {
				t.Error("the publication was changed all the same")
			}
			// The remedy is one: it works as it is printed.
			if remedy, ok := strings.CutPrefix(unavailable.Remedy, "run: "); ok {
				w.exec(remedy)
				if _, err := ensurePublication(t.Context(), w.db); err != nil {
					t.Errorf("after the remedy the error is %v", err)
				}
			}
		})
	}
}

func TestHarmfulPublicationLeadsToPolling(t *testing.T) {
	w := newWorld(t, stack.V32)
	w.exec("create publication plausible_webhooks for all tables")
	f := follow(t, w.url, Options{RetryInterval: promised})
	f.until(patience, "a reason with the remedy", func() bool {
		s := f.Status()
		return s.Mode == ModePoll && s.Healthy && strings.Contains(s.Reason, "DROP PUBLICATION plausible_webhooks")
	})
	w.exec("drop publication plausible_webhooks")
	f.replicates()
}

func TestPublicationThatIsDroppedIsMadeAgain(t *testing.T) {
	w := newWorld(t, stack.V32)
	f := follow(t, w.url, Options{})
	f.replicates()
	w.exec("drop publication plausible_webhooks")
	site := w.site("a.example")
	f.seesSite(patience, site, true) // Up to PostgreSQL 17 the stream ends with an error.
	f.replicates()
	f.seesSite(promised, w.site("b.example"), true)
	w.exec("alter publication plausible_webhooks drop table sites")
	missed := w.site("c.example")
	f.askToCompare()
	f.seesSite(patience, missed, true)
	f.replicates()
	f.seesSite(promised, w.site("d.example"), true)
}

// On PostgreSQL 18 a missing publication is silent but for a warning.
func TestPublicationDroppedOn18(t *testing.T) {
	w := worldIn(t, stack.TestPostgresWith(t, stack.PostgresOptions{Version: 18}), stack.V32)
	f := follow(t, w.url, Options{})
	f.replicates()
	w.exec("drop publication plausible_webhooks")
	f.seesSite(patience, w.site("a.example"), true)
	f.replicates()
	f.seesSite(promised, w.site("b.example"), true)
}

func TestRowThatTheStreamMissedIsMended(t *testing.T) {
	w := newWorld(t, stack.V32)
	lost := w.site("a.example")
	f := follow(t, w.url, Options{})
	f.replicates()
	f.seesSite(promised, lost, true)
	// Replication sees nothing of a session in this role but its WAL; what
	// makes it miss a change is a mirror that lost one.
	f.Follower.mu.Lock()
	mirror := f.streaming.stream.mirror
	mirror.sites.committed = mirror.sites.committed.With([]config.Change[site]{{ID: lost, Gone: true}})
	f.publish(mirror.state())
	f.Follower.mu.Unlock()
	f.seesSite(promised, lost, false)

	found := f.compares()
	if len(found) != 1 || found[0] != (Difference{Table: "public.sites", Added: 1}) {
		t.Errorf("found %+v, want one added site", found)
	}
	f.seesSite(patience, lost, true)
	f.replicates()
	if !strings.Contains(strings.Join(f.log.warnings(), ""), "table=public.sites added=1") {
		t.Errorf("warnings are %q, want one about the site", f.log.warnings())
	}
}
