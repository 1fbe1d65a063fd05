package schema

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"plausible-webhooks/config/event"
	"plausible-webhooks/deploy/devstack/stack"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const checkViolation, uniqueViolation, notNullViolation = "23514", "23505", "23502"

func migrated(t *testing.T) *pgx.Conn {
	t.Helper()
	conn := connect(t, stack.TestDatabase(t, stack.V32))
	mustMigrate(t, conn)
	return conn
}

func insertWebhook(t *testing.T, conn *pgx.Conn) (id int64) {
	t.Helper()
	queryRow(t, conn, &id, "insert into plausible_webhooks.webhooks (site_id, url) values (1, 'https://example.com/hook') returning id")
	return id
}

func insertTrigger(t *testing.T, conn *pgx.Conn, webhook int64) (id int64) {
	t.Helper()
	queryRow(t, conn, &id, "insert into plausible_webhooks.webhook_triggers (webhook_id, type) values ($1, 'goal.completed') returning id", webhook)
	return id
}

func oneRow(t *testing.T, conn *pgx.Conn, sql string, args ...any) map[string]any {
	t.Helper()
	result, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	row, err := pgx.CollectExactlyOneRow(result, pgx.RowToMap)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return row
}

// Defaults are those of deploy/REFERENCE.md section 3: what is enough to insert.
func TestDefaultsOfMinimalInserts(t *testing.T) {
	conn := migrated(t)
	webhook := insertWebhook(t, conn)
	trigger := insertTrigger(t, conn, webhook)

	got := oneRow(t, conn, `select name, secret, previous_secret, previous_secret_expires_at, format, enabled, disabled_reason, managed_by,
		headers::text as headers, timeout_seconds, restarted_at, site_missed_at, inserted_at = updated_at as same_times, now() - inserted_at < interval '1 minute' as fresh
		from plausible_webhooks.webhooks where id = $1`, webhook)
	want := map[string]any{"name": "", "secret": nil, "previous_secret": nil, "previous_secret_expires_at": nil, "format": "standard",
		"enabled": true, "disabled_reason": nil, "managed_by": "settings", "headers": "{}", "timeout_seconds": nil, "restarted_at": nil, "site_missed_at": nil, "same_times": true, "fresh": true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("minimal webhook (-want +got):\n%s", diff)
	}

	got = oneRow(t, conn, `select goal_id, threshold, window_seconds, cooldown_seconds, repeat, notify_recovery, enabled, restarted_at
		from plausible_webhooks.webhook_triggers where id = $1`, trigger)
	want = map[string]any{"goal_id": nil, "threshold": nil, "window_seconds": nil, "cooldown_seconds": nil, "repeat": true,
		"notify_recovery": false, "enabled": true, "restarted_at": nil}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("minimal trigger (-want +got):\n%s", diff)
	}

	got = oneRow(t, conn, `insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload) values ($1, 'webhook.test', '{}')
		returning trigger_id, site_id, event_key = id::text as keyed_by_id, format, status, attempts, last_status_code, last_error,
		next_attempt_at <= now() as due, claimed_until, finished_at`, webhook)
	want = map[string]any{"trigger_id": nil, "site_id": nil, "keyed_by_id": true, "format": "standard", "status": "pending", "attempts": int32(0),
		"last_status_code": nil, "last_error": nil, "due": true, "claimed_until": nil, "finished_at": nil}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("minimal delivery (-want +got):\n%s", diff)
	}

	got = oneRow(t, conn, `insert into plausible_webhooks.webhook_delivery_attempts (delivery_id, attempt)
		select id, 1 from plausible_webhooks.webhook_deliveries
		returning now() - started_at < interval '1 minute' as fresh, duration_ms, status_code, error, response_excerpt`)
	want = map[string]any{"fresh": true, "duration_ms": nil, "status_code": nil, "error": nil, "response_excerpt": nil}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("minimal attempt (-want +got):\n%s", diff)
	}
}

func TestChecksRefuse(t *testing.T) {
	conn := migrated(t)
	webhook := insertWebhook(t, conn)
	tests := []struct{ sql, code string }{
		{"insert into plausible_webhooks.webhooks (url, format, site_id) values ('https://example.com', 'xml', $1)", checkViolation},
		{"insert into plausible_webhooks.webhooks (url, disabled_reason, site_id) values ('https://example.com', 'bored', $1)", checkViolation},
		{"insert into plausible_webhooks.webhooks (url, headers, site_id) values ('https://example.com', '[\"X-Key: v\"]', $1)", checkViolation},
		{"insert into plausible_webhooks.webhooks (url, headers, site_id) values ('https://example.com', '\"X-Key: v\"', $1)", checkViolation},
		{"insert into plausible_webhooks.webhooks (url, headers, site_id) values ('https://example.com', 'null', $1)", checkViolation},
		{"insert into plausible_webhooks.webhooks (url, headers, site_id) values ('https://example.com', null, $1)", notNullViolation},
		{"insert into plausible_webhooks.webhooks (url, timeout_seconds, site_id) values ('https://example.com', 0, $1)", checkViolation},
		{"insert into plausible_webhooks.webhooks (url, timeout_seconds, site_id) values ('https://example.com', 31, $1)", checkViolation},
		{"insert into plausible_webhooks.webhook_triggers (webhook_id, type) values ($1, 'traffic.surge')", checkViolation},
		{"insert into plausible_webhooks.webhook_triggers (webhook_id, type) values ($1, 'traffic.spike.ended')", checkViolation},
		{"insert into plausible_webhooks.webhook_triggers (webhook_id, type, threshold) values ($1, 'traffic.spike', 0)", checkViolation},
		{"insert into plausible_webhooks.webhook_triggers (webhook_id, type, cooldown_seconds) values ($1, 'traffic.spike', -1)", checkViolation},
		{"insert into plausible_webhooks.webhook_triggers (webhook_id, type, window_seconds) values ($1, 'traffic.spike', 61)", checkViolation},
		{"insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload, status) values ($1, 'webhook.test', '{}', 'lost')", checkViolation},
		{"insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload, format) values ($1, 'webhook.test', '{}', 'xml')", checkViolation},
		{"insert into plausible_webhooks.webhook_triggers (webhook_id, type) values ($1, 'goal.completed'), ($1, 'goal.completed')", uniqueViolation},
		{"insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, event_key, payload) values ($1, 'webhook.test', 'k', '{}'), ($1, 'webhook.test', 'k', '{}')", uniqueViolation},
	}
	for _, test := range tests {
		_, err := conn.Exec(t.Context(), test.sql, webhook)
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != test.code {
			t.Errorf("%s: %v; want SQLSTATE %s", test.sql, err, test.code)
		}
	}
}

func TestChecksAccept(t *testing.T) {
	conn := migrated(t)
	webhook := insertWebhook(t, conn)
	for _, format := range event.Formats() {
		exec(t, conn, "insert into plausible_webhooks.webhooks (url, format) values ('not even a URL', $1)", string(format))
		exec(t, conn, "insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload, format) values ($1, 'webhook.test', '{}', $2)", webhook, string(format))
	}
	for i, typ := range event.Firing() {
		exec(t, conn, "insert into plausible_webhooks.webhook_triggers (webhook_id, type, goal_id, threshold, cooldown_seconds) values ($1, $2, $3, 1, 0)", webhook, string(typ), i+1)
	}
	for _, window := range []int{60, 300, 900, 1800, 3600, 10800, 21600, 43200, 86400} {
		exec(t, conn, "insert into plausible_webhooks.webhook_triggers (webhook_id, type, goal_id, window_seconds) values ($1, 'traffic.drop', $2, $3)", webhook, window, window)
	}
	for _, timeout := range []int{1, 30} {
		exec(t, conn, `insert into plausible_webhooks.webhooks (url, headers, timeout_seconds) values ('https://example.com', '{"X-Key": "a value"}', $1)`, timeout)
	}
	for _, reason := range []string{"gone", "failing", "transferred"} {
		exec(t, conn, "insert into plausible_webhooks.webhooks (url, enabled, disabled_reason) values ('https://example.com', false, $1)", reason)
	}
}

func TestDeletingAWebhookTakesItsRowsAlong(t *testing.T) {
	conn := migrated(t)
	webhook := insertWebhook(t, conn)
	insertTrigger(t, conn, webhook)
	exec(t, conn, `with d as (insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload) values ($1, 'webhook.test', '{}') returning id)
		select id from d`, webhook)
	exec(t, conn, "insert into plausible_webhooks.webhook_delivery_attempts (delivery_id, attempt) select id, 1 from plausible_webhooks.webhook_deliveries")
	exec(t, conn, "delete from plausible_webhooks.webhooks where id = $1", webhook)
	for _, table := range []string{"webhook_triggers", "webhook_deliveries", "webhook_delivery_attempts"} {
		var left int
		queryRow(t, conn, &left, "select count(*) from plausible_webhooks."+table)
		if left != 0 {
			t.Errorf("%d rows of %s outlive their webhook; want none", left, table)
		}
	}
}

// Nothing of ours may point at a table of Plausible, or its migrations meet us.
func TestNoForeignKeyLeavesTheSchema(t *testing.T) {
	conn := migrated(t)
	var outside int
	queryRow(t, conn, &outside, `select count(*) from pg_constraint c join pg_class target on target.oid = c.confrelid
		where c.contype = 'f' and c.connamespace = 'plausible_webhooks'::regnamespace and target.relnamespace <> 'plausible_webhooks'::regnamespace`)
	if outside != 0 {
		t.Errorf("%d foreign keys point out of the schema; want none", outside)
	}
}

func TestUUIDsAreVersion7InOrderOfTime(t *testing.T) {
	conn := migrated(t)
	var before, after time.Time
	var ids [][16]byte
	queryRow(t, conn, &before, "select clock_timestamp()")
	// Each in a statement of its own, a millisecond apart, so that their order is defined.
	for range 20 {
		var id [16]byte
		queryRow(t, conn, &id, "select plausible_webhooks.uuid_v7() from pg_sleep(0.002)")
		ids = append(ids, id)
	}
	queryRow(t, conn, &after, "select clock_timestamp()")
	var previous string
	for _, id := range ids {
		if version := id[6] >> 4; version != 7 {
			t.Errorf("uuid %x has version %d; want 7", id, version)
		}
		if variant := id[8] >> 6; variant != 0b10 {
			t.Errorf("uuid %x has variant %b; want 10", id, variant)
		}
		millis := int64(binary.BigEndian.Uint64(append([]byte{0, 0}, id[:6]...)))
		if millis < before.UnixMilli() || millis > after.UnixMilli() {
			t.Errorf("uuid %x holds %d ms; want between %d and %d", id, millis, before.UnixMilli(), after.UnixMilli())
		}
		if string(id[:]) <= previous {
			t.Errorf("uuid %x is not later than the one before it, %x", id, previous)
		}
		previous = string(id[:])
	}
	var distinct int
	queryRow(t, conn, &distinct, "select count(distinct plausible_webhooks.uuid_v7()) from generate_series(1, 2000)")
	if distinct != 2000 {
		t.Errorf("2000 uuids hold %d different ones", distinct)
	}
}

// Whoever writes a row, restarted_at and updated_at follow deploy/REFERENCE.md sections 3
// and 5.
func TestTouchedTimes(t *testing.T) {
	tests := []struct {
		name, table, update string
		restarted, updated  bool
	}{
		{name: "renamed", table: "webhooks", update: "name = 'Ops'", updated: true},
		{name: "URL changed", table: "webhooks", update: "url = 'https://example.org'", updated: true},
		{name: "format changed", table: "webhooks", update: "format = 'slack'", updated: true},
		{name: "switched off", table: "webhooks", update: "enabled = false", updated: true},
		{name: "switched off by the system", table: "webhooks", update: "enabled = false, disabled_reason = 'failing'", updated: true},
		{name: "secret encrypted in place", table: "webhooks", update: "secret = 'enc1:0:AA=='"},
		{name: "headers encrypted in place", table: "webhooks", update: `headers = '{"X-Key": "enc1:0:AA=="}'`},
		{name: "timeout changed", table: "webhooks", update: "timeout_seconds = 10", updated: true},
		{name: "site seen missing", table: "webhooks", update: "site_missed_at = now()"},
		{name: "nothing changed", table: "webhooks", update: "name = name"},
		{name: "updated_at set by the writer", table: "webhooks", update: "updated_at = now()", updated: true},
		{name: "type changed", table: "webhook_triggers", update: "type = 'traffic.drop'", restarted: true, updated: true},
		{name: "goal chosen", table: "webhook_triggers", update: "goal_id = 5", restarted: true, updated: true},
		{name: "threshold changed", table: "webhook_triggers", update: "threshold = 9", updated: true},
		{name: "cooldown changed", table: "webhook_triggers", update: "cooldown_seconds = 9", updated: true},
		{name: "recovery changed", table: "webhook_triggers", update: "notify_recovery = true", updated: true},
		{name: "trigger switched off", table: "webhook_triggers", update: "enabled = false", updated: true},
		{name: "trigger untouched", table: "webhook_triggers", update: "type = type"},
		{name: "made a goal.threshold", table: "webhook_triggers", update: "type = 'goal.threshold', threshold = 9", restarted: true, updated: true},
	}
	conn := migrated(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			webhook := insertWebhook(t, conn)
			id := webhook
			if test.table == "webhook_triggers" {
				id = insertTrigger(t, conn, webhook)
			}
			restarted, updated := touched(t, conn, test.table, test.update, id)
			if restarted != test.restarted || updated != test.updated {
				t.Errorf("set %s: restarted %v, updated %v; want %v, %v", test.update, restarted, updated, test.restarted, test.updated)
			}
		})
	}
}

// What restarts a trigger is the same for every type: goal.threshold came
// after the function that watches over it.
func TestTouchedTimesOfAGoalThreshold(t *testing.T) {
	tests := []struct {
		update    string
		restarted bool
	}{
		{"goal_id = 5", true}, {"type = 'goal.completed'", true}, {"goal_id = null", true},
		{"threshold = 10", false}, {"window_seconds = 300", false}, {"notify_recovery = true", false}, {"repeat = false", false}, {"enabled = false", false},
	}
	conn := migrated(t)
	for _, test := range tests {
		var id int64
		queryRow(t, conn, &id, `insert into plausible_webhooks.webhook_triggers (webhook_id, type, goal_id, threshold)
			values ($1, 'goal.threshold', 4, 9) returning id`, insertWebhook(t, conn))
		restarted, updated := touched(t, conn, "webhook_triggers", test.update, id)
		if restarted != test.restarted || !updated {
			t.Errorf("set %s: restarted %v, updated %v; want %v, true", test.update, restarted, updated, test.restarted)
		}
		exec(t, conn, "update plausible_webhooks.webhook_triggers set enabled = false where id = $1", id)
		if restarted, _ := touched(t, conn, "webhook_triggers", "enabled = true", id); !restarted {
			t.Errorf("set %s, then switched off and on: not restarted; want it", test.update)
		}
	}
}

func TestSwitchedOnAgainRestarts(t *testing.T) {
	conn := migrated(t)
	webhook := insertWebhook(t, conn)
	trigger := insertTrigger(t, conn, webhook)
	for table, id := range map[string]int64{"webhooks": webhook, "webhook_triggers": trigger} {
		exec(t, conn, "update plausible_webhooks."+table+" set enabled = false where id = $1", id)
		if restarted, _ := touched(t, conn, table, "enabled = true", id); !restarted {
			t.Errorf("%s switched on again: not restarted; want restarted_at = now", table)
		}
		if restarted, _ := touched(t, conn, table, "enabled = true", id); restarted {
			t.Errorf("%s switched on while on: restarted; want it left alone", table)
		}
	}
	exec(t, conn, "update plausible_webhooks.webhooks set enabled = false, disabled_reason = 'gone' where id = $1", webhook)
	exec(t, conn, "update plausible_webhooks.webhooks set enabled = true where id = $1", webhook)
	var reason *string
	queryRow(t, conn, &reason, "select disabled_reason from plausible_webhooks.webhooks where id = $1", webhook)
	if reason != nil {
		t.Errorf("disabled_reason of an enabled webhook = %q; want null", *reason)
	}
}

// touched updates a row in one transaction, and reports whether restarted_at
// and updated_at became that transaction's time.
func touched(t *testing.T, conn *pgx.Conn, table, set string, id int64) (restarted, updated bool) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		return tx.QueryRow(context.WithoutCancel(t.Context()), "update plausible_webhooks."+table+" set "+set+
			" where id = $1 returning coalesce(restarted_at = now(), false), updated_at = now()", id).Scan(&restarted, &updated)
	})
	if err != nil {
		t.Fatal(err)
	}
	return restarted, updated
}
