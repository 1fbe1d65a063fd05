package main

import (
	"context"
	"fmt"
	"strings"

	"plausible-webhooks/config/env"
	"plausible-webhooks/config/schema"

	"github.com/jackc/pgx/v5"
)

// oldestPostgres is 15, as server_version_num writes it: "unique nulls not
// distinct" came with it.
const oldestPostgres = 150000

// checkPostgres connects; the connection is nil where that does not work.
func checkPostgres(ctx context.Context, database env.Database) (*pgx.Conn, finding) {
	conn, err := connect(ctx, database)
	if err != nil {
		return nil, failure("PostgreSQL", err.Error(), "set DATABASE_URL to what Plausible's own container has, and see that the database runs and is on the same network")
	}
	return conn, ok("PostgreSQL", "connected to %s", database)
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
		return []finding{failure(name, "DATABASE_URL leads to a connection pooler", "point DATABASE_URL at PostgreSQL itself: replication and locks do not work through a pooler")}
	}
	return []finding{ok(name, "no pooler in between")}
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
	for table := range neededColumns {
		var readable bool
		if err := conn.QueryRow(ctx, "select has_table_privilege('public.' || $1, 'select')", table).Scan(&readable); err != nil {
			return []finding{unanswered(name, err)}
		}
		if !readable {
			return []finding{failure(name, "the role of DATABASE_URL may not read public."+table, "as a superuser: GRANT SELECT ON public.sites, public.goals, public.spike_notifications TO "+roleOf(conn)+";")}
		}
	}
	return []finding{ok(name, "sites, goals and spike_notifications are there")}
}

func checkOwnTables(ctx context.Context, conn *pgx.Conn) []finding {
	const name = "own tables"
	version, err := schema.Version(ctx, conn)
	if err != nil {
		return []finding{unanswered(name, err)}
	}
	switch {
	case version > schema.Wanted():
		return []finding{ok(name, "at version %d, newer than this program's %d, which is fine", version, schema.Wanted())}
	case version == schema.Wanted():
		return []finding{ok(name, "up to date (version %d)", version)}
	}
	var may bool
	if err := conn.QueryRow(ctx, `select has_database_privilege(current_database(), 'create')
		or exists (select from pg_namespace where nspname = $1 and pg_has_role(nspowner, 'usage'))`, schema.Name).Scan(&may); err != nil {
		return []finding{unanswered(name, err)}
	}
	result := fmt.Sprintf("at version %d, wanted is %d", version, schema.Wanted())
	if !may {
		return []finding{failure(name, result+", and the role of DATABASE_URL may not create them",
			fmt.Sprintf("as a superuser: CREATE SCHEMA %s AUTHORIZATION %s;", schema.Name, roleOf(conn)))}
	}
	return []finding{warning(name, result, "plausible-webhooks migrate (run does it too)")}
}

// unanswered is a check whose question PostgreSQL did not answer.
func unanswered(check string, err error) finding {
	return failure(check, fmt.Sprintf("PostgreSQL did not answer: %v", err), "see the log of PostgreSQL")
}

func roleOf(conn *pgx.Conn) string { return pgx.Identifier{conn.Config().User}.Sanitize() }
