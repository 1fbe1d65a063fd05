package main

import (
	"context"
	"fmt"
	"strings"

	"plausible-webhooks/cdc"
	"plausible-webhooks/config/env"
	"plausible-webhooks/config/schema"

	"github.com/jackc/pgx/v5"
)

// oldestPostgres is 15, as server_version_num writes it: "unique nulls not
// distinct" came with it.
const oldestPostgres = 150000

// checkPatience keeps one question from holding up all others: where a table is
// locked, that is the finding.
const checkPatience = "set lock_timeout = '2s'; set statement_timeout = '10s'"

// checkPostgres connects; the connection is nil where that does not work.
func checkPostgres(ctx context.Context, database env.Database) (*pgx.Conn, finding) {
	const name = "PostgreSQL"
	conn, err := connect(ctx, database)
	if err != nil {
		if strings.Contains(err.Error(), "unsupported startup parameter") { // PgBouncer's words.
			return nil, pooled(name)
		}
		return nil, failure(name, err.Error(), "set DATABASE_URL to what Plausible's own container has, and see that the database runs and is on the same network")
	}
	if _, err := conn.Exec(ctx, checkPatience); err != nil {
		return conn, unanswered(name, err)
	}
	var role string
	var super bool
	if err := conn.QueryRow(ctx, "select current_user, rolsuper from pg_roles where rolname = current_user").Scan(&role, &super); err != nil {
		return conn, unanswered(name, err)
	}
	if super {
		return conn, ok(name, "connected to %s as %s, a superuser; `migrate --print-role` prints a role that can do less", database, role)
	}
	return conn, ok(name, "connected to %s as %s", database, role)
}

func pooled(check string) finding {
	return failure(check, "DATABASE_URL leads to a connection pooler", "point DATABASE_URL at PostgreSQL itself: replication and locks do not work through a pooler")
}

func checkPostgresVersion(ctx context.Context, conn *pgx.Conn) []finding {
	const name = "PostgreSQL version"
	var number int
	var text string
	if err := conn.QueryRow(ctx, "select current_setting('server_version_num')::int, current_setting('server_version')").Scan(&number, &text); err != nil {
		return []finding{unanswered(name, err)}
	}
	if number < oldestPostgres {
		return []finding{failure(name, text+" is older than 15", "upgrade PostgreSQL to 15 or newer (Plausible CE ships 16)")}
	}
	return []finding{ok(name, "%s", text)}
}

// checkDirectConnection compares the process id that was announced when the
// connection was made with the one that answers: a pooler announces its own.
func checkDirectConnection(ctx context.Context, conn *pgx.Conn) []finding {
	const name = "direct connection"
	var pid uint32
	if err := conn.QueryRow(ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
		return []finding{unanswered(name, err)}
	}
	if pid != conn.PgConn().PID() {
		return []finding{pooled(name)}
	}
	return []finding{ok(name, "no pooler in between")}
}

// neededConnections is what one sidecar takes: its pool, and one each to lead,
// to read settings and to run a command.
const neededConnections = poolSize + 3

// checkConnections sees whether there is room for a sidecar, unless one is
// there already.
func checkConnections(ctx context.Context, conn *pgx.Conn) []finding {
	const name = "connections"
	var most, reserved, used, limit int
	var role string
	err := conn.QueryRow(ctx, `select current_setting('max_connections')::int,
		current_setting('superuser_reserved_connections')::int + coalesce(current_setting('reserved_connections', true)::int, 0),
		(select count(*) from pg_stat_activity where backend_type = 'client backend'), rolconnlimit, rolname
		from pg_roles where rolname = current_user`).Scan(&most, &reserved, &used, &limit, &role)
	if err != nil {
		return []finding{unanswered(name, err)}
	}
	running, err := findSidecars(ctx, conn)
	if err != nil {
		return []finding{unanswered(name, err)}
	}
	switch {
	case limit >= 0 && limit < neededConnections:
		return []finding{warning(name, fmt.Sprintf("the role may have %d, and a sidecar takes up to %d", limit, neededConnections),
			fmt.Sprintf("as a superuser: ALTER ROLE %s CONNECTION LIMIT -1;", pgx.Identifier{role}.Sanitize()))}
	case len(running.PIDs) == 0 && most-reserved-used < neededConnections:
		return []finding{warning(name, fmt.Sprintf("%d of %d are in use, and a sidecar takes up to %d", used, most, neededConnections),
			fmt.Sprintf("ALTER SYSTEM SET max_connections = %d; and restart PostgreSQL", most+50))}
	}
	return []finding{ok(name, "%d of %d in use", used, most)}
}

// neededColumns are those without which nothing works; later ones of Plausible
// have defaults (room cdc).
var neededColumns = map[string][]string{
	"sites":               {"id", "domain"},
	"goals":               {"id", "site_id", "event_name", "page_path"},
	"spike_notifications": {"id", "site_id", "threshold"},
}

func checkPlausibleTables(ctx context.Context, conn *pgx.Conn) []finding {
	const name = "Plausible's tables"
	var missing []string
	for _, table := range []string{"sites", "goals", "spike_notifications"} {
		rows, err := conn.Query(ctx, `select c from unnest($2::text[]) c where not exists (select from pg_attribute
			where attrelid = to_regclass('public.' || $1) and attname = c and not attisdropped)`, table, neededColumns[table])
		if err != nil {
			return []finding{unanswered(name, err)}
		}
		columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return []finding{unanswered(name, err)}
		}
		for _, column := range columns {
			missing = append(missing, "public."+table+"."+column)
		}
	}
	if len(missing) > 0 {
		return []finding{failure(name, "missing: "+strings.Join(missing, ", "), "see that DATABASE_URL names Plausible's database, and let Plausible finish its migrations (v2.1 or newer)")}
	}
	var unreadable []string
	err := conn.QueryRow(ctx, "select array(select t from unnest($1::text[]) t where not has_table_privilege(t, 'select'))", cdc.PlausibleTables()).Scan(&unreadable)
	if err != nil {
		return []finding{unanswered(name, err)}
	}
	if len(unreadable) > 0 {
		return []finding{failure(name, "the role of DATABASE_URL may not read "+strings.Join(unreadable, ", "),
			"as their owner: GRANT SELECT ON "+strings.Join(unreadable, ", ")+" TO "+roleOf(conn)+";")}
	}
	return []finding{ok(name, "sites, goals and spike_notifications are there")}
}

func checkOwnTables(ctx context.Context, conn *pgx.Conn) []finding {
	const name = "own tables"
	grant := fmt.Sprintf("as their owner: GRANT USAGE ON SCHEMA %s TO %s; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %s TO %[2]s;", schema.Name, roleOf(conn), schema.Name)
	var exists, usable, owned, mayCreate bool
	var owner string
	err := conn.QueryRow(ctx, `select n.oid is not null, coalesce(has_schema_privilege(n.oid, 'usage'), false), coalesce(pg_has_role(n.nspowner, 'usage'), false),
		coalesce(pg_get_userbyid(n.nspowner), ''), has_database_privilege(current_database(), 'create')
		from (select) one left join pg_namespace n on n.nspname = $1`, schema.Name).Scan(&exists, &usable, &owned, &owner, &mayCreate)
	if err != nil {
		return []finding{unanswered(name, err)}
	}
	if exists && !usable {
		return []finding{failure(name, "the role of DATABASE_URL may not use the schema "+schema.Name, grant)}
	}
	version, err := schema.Version(ctx, conn)
	if err != nil {
		return []finding{unanswered(name, err)}
	}
	behind := fmt.Sprintf("at version %d, wanted is %d", version, schema.Wanted())
	if version == 0 {
		behind = "not made yet"
	}
	switch {
	case version < schema.Wanted() && exists && !owned:
		return []finding{failure(name, behind+", and the role of DATABASE_URL does not own them", fmt.Sprintf("with the DATABASE_URL of %s: plausible-webhooks migrate", owner))}
	case version < schema.Wanted() && !exists && !mayCreate:
		return []finding{failure(name, behind+", and the role of DATABASE_URL may not create them", "plausible-webhooks migrate --print-role, which prints what a superuser runs once")}
	case version < schema.Wanted():
		return []finding{warning(name, behind, "plausible-webhooks migrate (run does it too)")}
	}
	var closed []string
	err = conn.QueryRow(ctx, `select array(select c.relname from pg_class c where c.relnamespace = $1::regnamespace and c.relkind = 'r' and c.relname <> 'schema_version'
		and not (has_table_privilege(c.oid, 'select') and has_table_privilege(c.oid, 'insert') and has_table_privilege(c.oid, 'update') and has_table_privilege(c.oid, 'delete'))
		order by 1)`, schema.Name).Scan(&closed)
	switch {
	case err != nil:
		return []finding{unanswered(name, err)}
	case len(closed) > 0:
		return []finding{failure(name, "the role of DATABASE_URL may not read and write "+strings.Join(closed, ", "), grant)}
	case version > schema.Wanted():
		return []finding{ok(name, "at version %d, newer than this program's %d, which is fine", version, schema.Wanted())}
	}
	return []finding{ok(name, "up to date (version %d)", version)}
}

// unanswered is a check whose question PostgreSQL did not answer.
func unanswered(check string, err error) finding {
	return failure(check, fmt.Sprintf("PostgreSQL did not answer: %v", err), "see the log of PostgreSQL")
}

func roleOf(conn *pgx.Conn) string { return pgx.Identifier{conn.Config().User}.Sanitize() }
