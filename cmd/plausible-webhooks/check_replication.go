package main

import (
	"context"
	"fmt"
	"strings"

	"plausible-webhooks/cdc"
	"plausible-webhooks/config/env"

	"github.com/jackc/pgx/v5"
)

const pollingInstead = ": the configuration is read every 5 seconds instead of followed"

// checkReplication looks at what following changes needs. Nothing of it is a
// failure, since polling works without.
func checkReplication(ctx context.Context, conn *pgx.Conn, source env.ConfigSource) []finding {
	if source == env.SourcePoll {
		return []finding{ok("replication", "not used: WEBHOOKS_CONFIG_SOURCE is poll")}
	}
	var found []finding
	for _, check := range []func(context.Context, *pgx.Conn) finding{checkWALLevel, checkSlots, checkReplicationRole, checkPublication} {
		found = append(found, check(ctx, conn))
	}
	return found
}

func checkWALLevel(ctx context.Context, conn *pgx.Conn) finding {
	const name = "wal_level"
	var present string
	if err := conn.QueryRow(ctx, "select current_setting('wal_level')").Scan(&present); err != nil {
		return unanswered(name, err)
	}
	if present != "logical" {
		return warning(name, present+pollingInstead,
			"in the compose file, give plausible_db: command: postgres -c wal_level=logical\nelsewhere: ALTER SYSTEM SET wal_level = logical; and restart PostgreSQL")
	}
	return ok(name, "logical")
}

func checkSlots(ctx context.Context, conn *pgx.Conn) finding {
	const name = "replication slots"
	var slots, usedSlots, senders, usedSenders int
	err := conn.QueryRow(ctx, `select current_setting('max_replication_slots')::int, (select count(*) from pg_replication_slots),
		current_setting('max_wal_senders')::int, (select count(*) from pg_stat_replication)`).Scan(&slots, &usedSlots, &senders, &usedSenders)
	if err != nil {
		return unanswered(name, err)
	}
	// A running sidecar holds one of each, and is no obstacle to itself.
	var own int
	if err := conn.QueryRow(ctx, "select count(*) from pg_replication_slots where temporary and slot_name like 'plausible\\_webhooks%'").Scan(&own); err != nil {
		return unanswered(name, err)
	}
	switch {
	case usedSlots-own >= slots:
		return warning(name, fmt.Sprintf("all %d are in use%s", slots, pollingInstead), fmt.Sprintf("ALTER SYSTEM SET max_replication_slots = %d; and restart PostgreSQL", slots+4))
	case usedSenders-own >= senders:
		return warning(name, fmt.Sprintf("all %d max_wal_senders are in use%s", senders, pollingInstead), fmt.Sprintf("ALTER SYSTEM SET max_wal_senders = %d; and restart PostgreSQL", senders+4))
	}
	return ok(name, "%d of %d in use", usedSlots, slots)
}

func checkReplicationRole(ctx context.Context, conn *pgx.Conn) finding {
	const name = "REPLICATION"
	var may bool
	// Amazon RDS grants a role instead of the attribute.
	err := conn.QueryRow(ctx, `select exists (select from pg_roles r where r.rolname = current_user and (r.rolsuper or r.rolreplication))
		or exists (select from pg_roles r where r.rolname = 'rds_replication' and pg_has_role(r.oid, 'usage'))`).Scan(&may)
	if err != nil {
		return unanswered(name, err)
	}
	if !may {
		return warning(name, "the role of DATABASE_URL may not replicate"+pollingInstead, "as a superuser: ALTER ROLE "+roleOf(conn)+" REPLICATION;")
	}
	return ok(name, "the role may replicate")
}

// publishedTables are those that must be published whole.
var publishedTables = []string{
	"public.sites", "public.goals", "public.spike_notifications", "plausible_webhooks.webhooks", "plausible_webhooks.webhook_triggers",
}

func checkPublication(ctx context.Context, conn *pgx.Conn) finding {
	const name = "publication"
	var exists, harmful, mayCreate bool
	var missing []string
	err := conn.QueryRow(ctx, `select exists (select from pg_publication where pubname = $1),
		exists (select from pg_publication_rel r join pg_publication p on p.oid = r.prpubid
			where p.pubname = $1 and (r.prattrs is not null or r.prqual is not null)),
		array(select t from unnest($2::text[]) t where not exists (select from pg_publication_tables p
			where p.pubname = $1 and p.schemaname || '.' || p.tablename = t)),
		has_database_privilege(current_database(), 'create') and not exists (select from unnest($2::text[]) t
			join pg_class c on c.oid = to_regclass(t) where not pg_has_role(c.relowner, 'usage'))`,
		cdc.Publication, publishedTables).Scan(&exists, &harmful, &missing, &mayCreate)
	if err != nil {
		return unanswered(name, err)
	}
	create := "CREATE PUBLICATION " + cdc.Publication + " FOR TABLE " + strings.Join(publishedTables, ", ") + ";"
	switch {
	case harmful:
		return warning(name, cdc.Publication+" has column lists or row filters, which can make Plausible's own statements fail",
			"as a superuser: DROP PUBLICATION "+cdc.Publication+"; "+create)
	case len(missing) == 0:
		return ok(name, "%s publishes all five tables", cdc.Publication)
	case mayCreate:
		return ok(name, "run makes or completes it")
	case exists:
		return warning(name, cdc.Publication+" lacks "+strings.Join(missing, ", ")+pollingInstead,
			"as the owner of the tables: ALTER PUBLICATION "+cdc.Publication+" ADD TABLE "+strings.Join(missing, ", ")+";")
	default:
		return warning(name, "the role of DATABASE_URL may not make it"+pollingInstead, "as the owner of the tables: "+create)
	}
}
