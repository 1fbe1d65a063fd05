package schema

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"plausible-webhooks/deploy/devstack/stack"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { os.Exit(stack.Main(m)) }

// patience bounds waits for an engine on a busy machine.
const patience = 30 * time.Second

func TestSeveralMigrateAtOnceAndOneWorks(t *testing.T) {
	url := stack.TestDatabase(t, stack.V32)
	const processes = 6
	results := make([]Result, processes)
	var wait sync.WaitGroup
	for i := range processes {
		conn := connect(t, url)
		wait.Go(func() {
			var err error
			if results[i], err = Migrate(t.Context(), conn); err != nil {
				t.Errorf("Migrate of process %d: %v", i, err)
			}
		})
	}
	wait.Wait()
	worked := 0
	for _, result := range results {
		if result.To != Wanted() || result.Wanted != Wanted() {
			t.Errorf("Migrate = %+v; want version %d", result, Wanted())
		}
		if result.From == 0 {
			worked++
		}
	}
	if worked != 1 {
		t.Errorf("%d processes found no schema; want 1: the others must wait for it", worked)
	}
}

// The session of a machine that has vanished may hold the lock for long.
func TestMigrateWaitsForAnotherOnlySoLong(t *testing.T) {
	url := stack.TestDatabase(t, stack.V32)
	other := connect(t, url)
	exec(t, other, "select pg_advisory_lock($1)", int64(lockKey))
	if _, err := migrateAfter(t.Context(), connect(t, url), 100*time.Millisecond); err == nil || !strings.Contains(err.Error(), "another process that migrates") {
		t.Errorf("Migrate while another has the lock: %v", err)
	}
	exec(t, other, "select pg_advisory_unlock($1)", int64(lockKey))
	mustMigrate(t, connect(t, url))
}

func TestMigrateAgainChangesNothing(t *testing.T) {
	conn := connect(t, stack.TestDatabase(t, stack.V32))
	mustMigrate(t, conn)
	before := catalogue(t, conn)
	got := mustMigrate(t, conn)
	if want := (Result{From: Wanted(), To: Wanted(), Wanted: Wanted()}); got != want {
		t.Errorf("second Migrate = %+v; want %+v", got, want)
	}
	if diff := cmp.Diff(before, catalogue(t, conn)); diff != "" {
		t.Errorf("schema after the second Migrate (-before +after):\n%s", diff)
	}
}

func TestANewerVersionIsLeftAlone(t *testing.T) {
	conn := connect(t, stack.TestDatabase(t, stack.V32))
	mustMigrate(t, conn)
	newer := Wanted() + 3
	exec(t, conn, "update plausible_webhooks.schema_version set version = $1", newer)
	got := mustMigrate(t, conn)
	if want := (Result{From: newer, To: newer, Wanted: Wanted()}); got != want {
		t.Errorf("Migrate on a newer schema = %+v; want %+v", got, want)
	}
	if version, err := Version(t.Context(), conn); err != nil || version != newer {
		t.Errorf("Version = %d, %v; want %d", version, err, newer)
	}
}

func TestVersionBeforeAnything(t *testing.T) {
	conn := connect(t, stack.TestDatabase(t, stack.V32))
	if version, err := Version(t.Context(), conn); err != nil || version != 0 {
		t.Errorf("Version = %d, %v; want 0: there is no schema", version, err)
	}
}

// A backend that dies between the first and the last statement of a migration
// leaves nothing of it, and the next process does it whole.
func TestKilledInTheMiddle(t *testing.T) {
	url := stack.TestDatabase(t, stack.V32)
	watch := connect(t, url)
	const gate = 4711
	exec(t, watch, "create function public.wait_at_gate() returns event_trigger language plpgsql as $$ begin perform pg_advisory_lock(4711); end $$")
	exec(t, watch, "create event trigger gate on ddl_command_end when tag in ('CREATE TRIGGER') execute function public.wait_at_gate()")
	exec(t, watch, "select pg_advisory_lock($1)", gate)

	victim := connect(t, url)
	pid := victim.PgConn().PID()
	died := make(chan error, 1)
	go func() {
		_, err := Migrate(t.Context(), victim)
		died <- err
	}()
	waitForRow(t, watch, "select true from pg_locks where locktype = 'advisory' and objid = 4711 and not granted and pid = $1", pid)
	exec(t, watch, "select pg_terminate_backend($1)", pid)
	if err := <-died; err == nil {
		t.Fatal("Migrate of the killed process returned no error")
	}
	waitForRow(t, watch, "select true where not exists (select from pg_stat_activity where pid = $1)", pid)

	if version, err := Version(t.Context(), watch); err != nil || version != 0 {
		t.Errorf("Version after the kill = %d, %v; want 0", version, err)
	}
	var tables int
	queryRow(t, watch, &tables, "select count(*) from pg_tables where schemaname = 'plausible_webhooks' and tablename <> 'schema_version'")
	if tables != 0 {
		t.Errorf("%d tables are left of the killed migration; want none", tables)
	}
	exec(t, watch, "drop event trigger gate")
	if got := mustMigrate(t, connect(t, url)); got.To != Wanted() {
		t.Errorf("Migrate after the kill = %+v; want version %d", got, Wanted())
	}
}

func TestCancelledWhileWaitingReturnsAtOnceAndHoldsNothing(t *testing.T) {
	url := stack.TestDatabase(t, stack.V32)
	holder := connect(t, url)
	exec(t, holder, "select pg_advisory_lock($1)", int64(lockKey))
	waiting := connect(t, url)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := Migrate(ctx, waiting)
		done <- err
	}()
	waitForRow(t, holder, "select true from pg_locks where locktype = 'advisory' and not granted and pid = $1", waiting.PgConn().PID())
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled Migrate: %v; want context.Canceled", err)
	}
	exec(t, holder, "select pg_advisory_unlock($1)", int64(lockKey))
	mustMigrate(t, connect(t, url))
}

func TestMigrateReleasesItsLock(t *testing.T) {
	conn := connect(t, stack.TestDatabase(t, stack.V32))
	mustMigrate(t, conn)
	var held int
	queryRow(t, conn, &held, "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()")
	if held != 0 {
		t.Errorf("%d advisory locks are held after Migrate; want none", held)
	}
}

// A later migration finds every row where it was; one that breaks off leaves
// version and rows as they were.
func TestUpgradeKeepsData(t *testing.T) {
	url := stack.TestDatabase(t, stack.V32)
	conn := connect(t, url)
	mustMigrate(t, conn)
	exec(t, conn, `with hook as (
		insert into plausible_webhooks.webhooks (site_id, url, secret) values (1, 'https://example.com/hook', 'kept secret text') returning id
	), trigger as (
		insert into plausible_webhooks.webhook_triggers (webhook_id, type) select id, 'traffic.spike' from hook
	)
	insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload) select id, 'webhook.test', '{}' from hook`)
	before := contents(t, conn)

	next := Wanted() + 1
	broken := withNext(t, "alter table plausible_webhooks.webhooks add column note text not null default '';\nselect 1/0;")
	if _, err := upgrade(t.Context(), conn, broken, next); err == nil {
		t.Fatal("a migration that divides by zero passed")
	}
	if version, err := Version(t.Context(), conn); err != nil || version != Wanted() {
		t.Errorf("Version after the broken migration = %d, %v; want %d", version, err, Wanted())
	}
	if diff := cmp.Diff(before, contents(t, conn)); diff != "" {
		t.Errorf("rows after the broken migration (-before +after):\n%s", diff)
	}

	good := withNext(t, "create table plausible_webhooks.notes (id bigint primary key);")
	got, err := upgrade(t.Context(), conn, good, next)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Result{From: Wanted(), To: next, Wanted: next}); got != want {
		t.Errorf("upgrade = %+v; want %+v", got, want)
	}
	if diff := cmp.Diff(before, contents(t, conn)); diff != "" {
		t.Errorf("rows after the upgrade (-before +after):\n%s", diff)
	}
}

// A role may own the schema without being allowed to create another one.
func TestMigrateWithoutCreateOnTheDatabase(t *testing.T) {
	url := stack.TestDatabase(t, stack.V32)
	admin := connect(t, url)
	role := fmt.Sprintf("narrow_%d", time.Now().UnixNano())
	exec(t, admin, "create role "+role)
	t.Cleanup(func() {
		exec(t, admin, "drop owned by "+role+" cascade")
		exec(t, admin, "drop role "+role)
	})
	narrow := connect(t, url)
	exec(t, narrow, "set role "+role)
	if _, err := Migrate(t.Context(), narrow); err == nil {
		t.Error("Migrate created a schema without the right to")
	}
	exec(t, admin, "create schema plausible_webhooks authorization "+role)
	mustMigrate(t, narrow)
}

func withNext(t *testing.T, sql string) fs.FS {
	t.Helper()
	scripts := fstest.MapFS{fmt.Sprintf("%03d_next.sql", Wanted()+1): {Data: []byte(sql)}}
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		scripts[name[len("migrations/"):]] = &fstest.MapFile{Data: data}
	}
	return scripts
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func mustMigrate(t *testing.T, conn *pgx.Conn) Result {
	t.Helper()
	result, err := Migrate(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func exec(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(context.WithoutCancel(t.Context()), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func queryRow(t *testing.T, conn *pgx.Conn, into any, sql string, args ...any) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(into); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// waitForRow asks again until the query yields a row: PostgreSQL has no
// signal for another session's waiting or end.
func waitForRow(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		var yes bool
		err := conn.QueryRow(ctx, sql, args...).Scan(&yes)
		if err == nil {
			return
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			t.Fatalf("%s: %v", sql, err)
		}
		<-again.C
	}
}

func catalogue(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	return rows(t, conn, `select c.relname || ' ' || coalesce(a.attname, '') || ' ' || c.oid
		from pg_class c left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
		where c.relnamespace = 'plausible_webhooks'::regnamespace order by 1`)
}

func contents(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	return rows(t, conn, `select w::text from plausible_webhooks.webhooks w
		union all select t::text from plausible_webhooks.webhook_triggers t
		union all select d::text from plausible_webhooks.webhook_deliveries d`)
}

func rows(t *testing.T, conn *pgx.Conn, sql string) []string {
	t.Helper()
	result, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(result, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) == 0 {
		t.Fatalf("%s yields nothing to compare", sql)
	}
	return lines
}
