package schema

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"plausible-webhooks/deploy/devstack/stack"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// atVersion returns a connection to a database that an earlier release left
// behind, and its URL.
func atVersion(t *testing.T, version int32) (*pgx.Conn, string) {
	t.Helper()
	url := stack.TestDatabase(t, stack.V32)
	conn := connect(t, url)
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	scripts := fstest.MapFS{}
	for _, name := range names[:version] {
		data, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		scripts[strings.TrimPrefix(name, "migrations/")] = &fstest.MapFile{Data: data}
	}
	if err := createSchema(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if _, err := upgrade(t.Context(), conn, scripts, version); err != nil {
		t.Fatal(err)
	}
	return conn, url
}

// fillFirstVersion has a row of everything that triggers could be in version 1.
func fillFirstVersion(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	exec(t, conn, `with hook as (
		insert into plausible_webhooks.webhooks (site_id, url, secret) values (1, 'https://example.com/hook', 'kept secret text') returning id
	), trigger as (
		insert into plausible_webhooks.webhook_triggers (webhook_id, type, goal_id, threshold, window_seconds)
			select id, kind, goal, threshold, 300 from hook, (values ('traffic.spike', null::bigint, 100), ('traffic.drop', null, null),
				('goal.completed', null, null), ('goal.completed', 5, null), ('goal.completed', 6, 7)) as t (kind, goal, threshold)
	)
	insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload) select id, 'webhook.test', '{}' from hook`)
}

// firstContents are all rows, without the columns that later versions added.
func firstContents(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	return rows(t, conn, `select (to_jsonb(w) - '{headers,timeout_seconds}'::text[])::text from plausible_webhooks.webhooks w
		union all select to_jsonb(t)::text from plausible_webhooks.webhook_triggers t
		union all select to_jsonb(d)::text from plausible_webhooks.webhook_deliveries d`)
}

func TestUpgradeFromTheFirstVersionKeepsRowsAndRules(t *testing.T) {
	conn, _ := atVersion(t, 1)
	fillFirstVersion(t, conn)
	before := firstContents(t, conn)
	_, err := conn.Exec(t.Context(), "insert into plausible_webhooks.webhook_triggers (webhook_id, type, threshold) select id, 'goal.threshold', 1 from plausible_webhooks.webhooks")
	wantRefused(t, err, "webhook_triggers_type_known")

	if got, want := mustMigrate(t, conn), (Result{From: 1, To: Wanted(), Wanted: Wanted()}); got != want {
		t.Errorf("Migrate = %+v; want %+v", got, want)
	}
	if diff := cmp.Diff(before, firstContents(t, conn)); diff != "" {
		t.Errorf("rows after the upgrade (-before +after):\n%s", diff)
	}
	exec(t, conn, "insert into plausible_webhooks.webhook_triggers (webhook_id, type, threshold) select id, 'goal.threshold', 1 from plausible_webhooks.webhooks")
	_, err = conn.Exec(t.Context(), "insert into plausible_webhooks.webhook_triggers (webhook_id, type) select id, 'traffic.surge' from plausible_webhooks.webhooks")
	wantRefused(t, err, "webhook_triggers_type_known")
}

// Upgrading must leave nothing that a fresh database lacks, nor the reverse.
func TestAnUpgradedSchemaIsLikeAFreshOne(t *testing.T) {
	upgraded, _ := atVersion(t, 1)
	mustMigrate(t, upgraded)
	const constraints = `select conrelid::regclass || ' ' || conname || ' ' || convalidated || ' ' || pg_get_constraintdef(oid)
		from pg_constraint where connamespace = 'plausible_webhooks'::regnamespace order by 1`
	if diff := cmp.Diff(rows(t, migrated(t), constraints), rows(t, upgraded, constraints)); diff != "" {
		t.Errorf("constraints (-fresh +upgraded):\n%s", diff)
	}
}

// The table may be large with rows that nobody wants rewritten under a lock.
func TestUpgradeRewritesNoWebhook(t *testing.T) {
	conn, _ := atVersion(t, 2)
	fillFirstVersion(t, conn)
	const file = "select pg_relation_filenode('plausible_webhooks.webhooks')::text"
	before := rows(t, conn, file)
	mustMigrate(t, conn)
	if diff := cmp.Diff(before, rows(t, conn, file)); diff != "" {
		t.Errorf("file of webhooks (-before +after):\n%s", diff)
	}
}

// A long reader, such as a dump, makes the upgrade fail and not wait: those
// who come after it would wait as well.
func TestUpgradeGivesWayToALongReader(t *testing.T) {
	for from, table := range map[int32]string{1: "webhook_triggers", 2: "webhooks"} {
		t.Run(fmt.Sprintf("of %s at version %d", table, from), func(t *testing.T) {
			conn, url := atVersion(t, from)
			fillFirstVersion(t, conn)
			reader, err := connect(t, url).Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := reader.Exec(t.Context(), "lock table plausible_webhooks."+table+" in access share mode"); err != nil {
				t.Fatal(err)
			}
			_, err = Migrate(t.Context(), conn)
			if err == nil || !strings.Contains(err.Error(), "try again") {
				t.Errorf("Migrate beside a long reader: %v; want an error that says to try again", err)
			}
			if version, err := Version(t.Context(), conn); err != nil || version != from {
				t.Errorf("Version after giving way = %d, %v; want %d", version, err, from)
			}
			if err := reader.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := mustMigrate(t, conn); got.To != Wanted() {
				t.Errorf("Migrate after the reader = %+v; want version %d", got, Wanted())
			}
			var timeout string
			queryRow(t, conn, &timeout, "show lock_timeout")
			if timeout != "0" {
				t.Errorf("lock_timeout after Migrate = %s; want it back at 0", timeout)
			}
		})
	}
}

func TestAGoalThresholdNeedsAThreshold(t *testing.T) {
	conn := migrated(t)
	webhook := insertWebhook(t, conn)
	const needs = "webhook_triggers_goal_threshold_needs_threshold"
	tests := []struct{ sql, constraint string }{
		{"insert into plausible_webhooks.webhook_triggers (webhook_id, type) values ($1, 'goal.threshold')", needs},
		{"insert into plausible_webhooks.webhook_triggers (webhook_id, type, goal_id) values ($1, 'goal.threshold', 5)", needs},
		{"insert into plausible_webhooks.webhook_triggers (webhook_id, type, threshold) values ($1, 'goal.threshold', 0)", "webhook_triggers_threshold_positive"},
		{"insert into plausible_webhooks.webhook_triggers (webhook_id, type, threshold) values ($1, 'goal.threshold.ended', 1)", "webhook_triggers_type_known"},
		{"update plausible_webhooks.webhook_triggers set threshold = null where webhook_id = $1 and type = 'goal.threshold'", needs},
		{"update plausible_webhooks.webhook_triggers set type = 'goal.threshold' where webhook_id = $1 and type = 'goal.completed'", needs},
	}
	insertTrigger(t, conn, webhook)
	exec(t, conn, "insert into plausible_webhooks.webhook_triggers (webhook_id, type, goal_id, threshold) values ($1, 'goal.threshold', 7, 10)", webhook)
	for _, test := range tests {
		_, err := conn.Exec(t.Context(), test.sql, webhook)
		wantRefused(t, err, test.constraint)
	}
}

// wantRefused checks that a CHECK constraint of that name refused a statement.
func wantRefused(t *testing.T, err error, constraint string) {
	t.Helper()
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != checkViolation || refused.ConstraintName != constraint {
		t.Errorf("%v; want it refused by %s", err, constraint)
	}
}
