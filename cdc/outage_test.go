package cdc

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/deploy/devstack/stack"
)

func TestPostgresRestarts(t *testing.T) {
	for name, down := range map[string]func(*stack.Postgres) error{
		"shut down": func(*stack.Postgres) error { return nil }, // Restart does it.
		"crashed":   (*stack.Postgres).Kill,
	} {
		t.Run(name, func(t *testing.T) {
			server := stack.TestPostgresWith(t, stack.PostgresOptions{})
			w := worldIn(t, server, stack.V32)
			first := w.site("first.example")
			f := follow(t, w.url, Options{Source: SourceReplication})
			f.replicates()
			if err := down(server); err != nil {
				t.Fatal(err)
			}
			if err := server.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.reconnect()
			w.exec("delete from sites where id = $1", first) // Maybe before we are back, maybe after.
			second := w.site("second.example")
			f.seesSite(patience, second, true)
			f.seesSite(patience, first, false)
			f.until(patience, "a second session", func() bool { return f.sessions() > 1 })
			f.replicates()
			third := w.site("third.example")
			f.seesSite(promised, third, true)
		})
	}
}

func TestViewStaysWhileTheDatabaseIsAway(t *testing.T) {
	server := stack.TestPostgresWith(t, stack.PostgresOptions{})
	w := worldIn(t, server, stack.V32)
	site := w.site("a.example")
	f := follow(t, w.url, Options{})
	f.replicates()
	f.seesSite(promised, site, true)
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	f.until(patience, "an unhealthy status", func() bool { return !f.Status().Healthy })
	if _, ok := f.View().Site(site); !ok {
		t.Error("the view lost the site")
	}
	if reason := f.Status().Reason; !strings.Contains(reason, "connect") {
		t.Errorf("the reason is %q, want one about the connection", reason)
	}
}

func TestTerminatedSessionIsReplaced(t *testing.T) {
	w := newWorld(t, stack.V32)
	f := follow(t, w.url, Options{})
	f.replicates()
	w.exec(`select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1`, f.slotNames()[0])
	f.until(patience, "a second session", func() bool { return f.sessions() == 2 })
	f.replicates()
	f.seesSite(promised, w.site("a.example"), true)
	if slots := f.slotNames(); slots[0] == slots[1] {
		t.Error("both sessions had the same slot name")
	}
}

func TestNoSlotIsLeftBehind(t *testing.T) {
	w := newWorld(t, stack.V32)
	f := follow(t, w.url, Options{})
	f.replicates()
	slots := func() int64 {
		return w.id("select count(*) from pg_replication_slots where database = current_database()")
	}
	if n := slots(); n != 1 {
		t.Errorf("there are %d slots while following, want 1", n)
	}
	if temporary := w.id("select count(*) from pg_replication_slots where temporary and slot_name like 'plausible\\_webhooks\\_________' and database = current_database()"); temporary != 1 {
		t.Error("the slot is not a temporary one with our name")
	}
	f.stop()
	eventually(t, "no slot", func() bool { return slots() == 0 })
	eventually(t, "no connection", func() bool {
		return w.id("select count(*) from pg_stat_activity where datname = current_database() and application_name = 'plausible-webhooks'") == 0
	})
}

func TestOpenTransactionHoldsUpOnlyTheSlot(t *testing.T) {
	w := newWorld(t, stack.V32)
	site := w.site("a.example")
	writer := connect(t, w.url)
	tx, err := writer.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "update sites set timezone = 'Europe/Tallinn' where id = $1", site); err != nil {
		t.Fatal(err)
	}
	f := follow(t, w.url, Options{SlotTimeout: 500 * time.Millisecond})
	f.seesSite(patience, site, true)
	f.seesSite(2*time.Second, w.site("meanwhile.example"), true) // Read while the slot waits.
	f.until(patience, "a reason that names the transaction", func() bool {
		return strings.Contains(f.Status().Reason, fmt.Sprintf("the transaction of pid %d, idle in transaction, open for", writer.PgConn().PID()))
	})
	if s := f.Status(); s.Mode != ModePoll || !s.Healthy {
		t.Errorf("status is %+v, want healthy polling", s)
	}
	if err := tx.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	f.replicates()
	f.sees(promised, "what the transaction did", func(v *config.View) bool {
		s, _ := v.Site(site)
		return s.Timezone == "Europe/Tallinn"
	})
	if warnings := f.log.warnings(); len(warnings) != 1 {
		t.Errorf("warnings are %q, want one", warnings)
	}
}

func TestEndWhileTheSlotWaits(t *testing.T) {
	w := newWorld(t, stack.V32)
	tx, err := connect(t, w.url).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "select txid_current()"); err != nil {
		t.Fatal(err)
	}
	f := follow(t, w.url, Options{SlotTimeout: patience})
	eventually(t, "a slot in the making", func() bool {
		return w.id("select count(*) from pg_replication_slots where database = current_database()") == 1
	})
	f.stop()
	eventually(t, "no slot", func() bool {
		return w.id("select count(*) from pg_replication_slots where database = current_database()") == 0
	})
	if err := tx.Rollback(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestLockedTableNeverMakesUsWait(t *testing.T) {
	w := newWorld(t, stack.V32)
	f := follow(t, w.url, Options{Source: SourcePoll})
	f.until(patience, "health", func() bool { return f.Status().Healthy })
	tx, err := connect(t, w.url).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "lock table goals in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	f.until(patience, "an unhealthy status", func() bool { return !f.Status().Healthy })
	if waiting := w.id("select count(*) from pg_locks where not granted and database = (select oid from pg_database where datname = current_database())"); waiting != 0 {
		t.Errorf("%d locks are waited for, want none", waiting)
	}
	if err := tx.Rollback(context.Background()); err != nil {
		t.Fatal(err)
	}
	f.until(patience, "health again", func() bool { return f.Status().Healthy })
}
