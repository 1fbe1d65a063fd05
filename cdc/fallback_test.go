package cdc

import (
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/stack"
)

// Plausible's own compose file starts PostgreSQL as the first server here.
func TestPollsUntilReplicationIsSwitchedOn(t *testing.T) {
	// Not t.TempDir: the server runs as another user, who must be able to enter.
	dir, err := os.MkdirTemp("", "plausible-webhooks-cdc-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	server := stack.TestPostgresWith(t, stack.PostgresOptions{WALLevel: "replica", Dir: dir})
	w := worldIn(t, server, stack.V32)
	f := follow(t, w.url, Options{RetryInterval: 300 * time.Millisecond})
	site := w.site("a.example")
	f.seesSite(patience, site, true)
	f.until(patience, "a reason with the remedy", func() bool { return strings.Contains(f.Status().Reason, "postgres -c wal_level=logical") })
	if s := f.Status(); s.Mode != ModePoll || !s.Healthy {
		t.Errorf("status is %+v, want healthy polling", s)
	}
	confirmed := f.Status().Confirmed
	f.seesSite(2*time.Second, w.site("b.example"), true)
	// A view is told of a moment before it is confirmed.
	f.until(2*time.Second, "a poll that confirms the view", func() bool { return f.Status().Confirmed.After(confirmed) })
	w.exec("delete from sites where id = $1", site)
	f.seesSite(2*time.Second, site, false)
	if n := w.id("select count(*) from pg_publication"); n != 0 {
		t.Error("a publication was made for nothing")
	}
	// By now replication was tried several times.
	eventually(t, "more tries", func() bool { return time.Since(confirmed) > time.Second })
	warnings := f.log.warnings()
	if len(warnings) != 1 || !strings.Contains(warnings[0], "wal_level=replica") || !strings.Contains(warnings[0], "restart it") {
		t.Errorf("warnings are %q, want one that says how to switch replication on", warnings)
	}

	port := server.Port()
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	stack.TestPostgresWith(t, stack.PostgresOptions{Dir: dir, Port: port})
	f.replicates()
	w.reconnect()
	f.seesSite(promised, w.site("c.example"), true)
	if s := f.Status(); s.Reason != "" {
		t.Errorf("the reason is still %q", s.Reason)
	}
}

func TestReplicationAskedForAndNotAvailableIsUnhealthy(t *testing.T) {
	w := worldIn(t, stack.TestPostgresWith(t, stack.PostgresOptions{WALLevel: "replica"}), stack.V32)
	f := follow(t, w.url, Options{Source: SourceReplication})
	f.seesSite(patience, w.site("a.example"), true)
	f.until(patience, "an unhealthy status with the remedy", func() bool {
		s := f.Status()
		return !s.Healthy && s.Mode == ModePoll && strings.Contains(s.Reason, "wal_level=logical")
	})
}

func TestPollingAloneMakesNoSlotAndNoPublication(t *testing.T) {
	w := newWorld(t, stack.V32)
	f := follow(t, w.url, Options{Source: SourcePoll})
	f.until(patience, "health", func() bool { return f.Status().Healthy })
	f.seesSite(2*time.Second, w.site("a.example"), true)
	if s := f.Status(); s.Mode != ModePoll || s.Reason != "" {
		t.Errorf("status is %+v, want polling without a reason", s)
	}
	if n := w.id("select count(*) from pg_publication"); n != 0 {
		t.Error("there is a publication")
	}
	if warnings := f.log.warnings(); len(warnings) > 0 {
		t.Errorf("warnings are %q, want none", warnings)
	}
}

// Each role lacks one thing; the reason names it and the remedy.
func TestRolesThatLackSomething(t *testing.T) {
	grants := `grant usage on schema public, plausible_webhooks to %s;
		grant select on all tables in schema public to %s;
		grant select, update, delete on all tables in schema plausible_webhooks to %s`
	server := stack.TestPostgresWith(t, stack.PostgresOptions{Settings: map[string]string{"max_replication_slots": "1"}})
	w := worldIn(t, server, stack.V32)
	asRole := func(name, attributes string) string {
		w.exec("create role " + name + " login " + attributes)
		w.exec(strings.ReplaceAll(grants, "%s", name))
		address, err := url.Parse(w.url)
		if err != nil {
			t.Fatal(err)
		}
		address.User = url.User(name)
		return address.String()
	}
	site := w.site("a.example")
	reason := func(f *following, want string) {
		f.t.Helper()
		f.seesSite(patience, site, true)
		f.until(patience, "a reason that holds "+want, func() bool {
			s := f.Status()
			return s.Mode == ModePoll && s.Healthy && strings.Contains(s.Reason, want)
		})
		f.stop()
	}
	t.Run("no ownership", func(t *testing.T) {
		reason(follow(t, asRole("no_owner", "replication"), Options{}),
			"run as their owner: CREATE PUBLICATION plausible_webhooks FOR TABLE public.sites, public.goals, public.spike_notifications, plausible_webhooks.webhooks, plausible_webhooks.webhook_triggers;")
	})
	w.exec(publicationSQL())
	t.Run("no replication", func(t *testing.T) {
		reason(follow(t, asRole("no_replication", ""), Options{}), "REPLICATION")
	})
	t.Run("no free slot", func(t *testing.T) {
		w.exec("select pg_create_logical_replication_slot('somebody_else', 'pgoutput')")
		reason(follow(t, w.url, Options{}), "max_replication_slots")
		w.exec("select pg_drop_replication_slot('somebody_else')")
	})
	t.Run("all that is needed", func(t *testing.T) {
		f := follow(t, asRole("enough", "replication"), Options{})
		f.replicates()
		f.seesSite(promised, w.site("enough.example"), true)
	})
}

func TestAnotherInstanceBesideUs(t *testing.T) {
	w := newWorld(t, stack.V32)
	one, other := follow(t, w.url, Options{}), follow(t, w.url, Options{})
	one.replicates()
	other.replicates()
	site := w.site("a.example")
	one.seesSite(promised, site, true)
	other.seesSite(promised, site, true)
	one.stop()
	w.exec("delete from sites where id = $1", site)
	other.seesSite(promised, site, false)
}
