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
	return ok(name, "%d of %d in use, senders %d of %d", usedSlots, slots, usedSenders, senders)
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

// checkPublication looks at what the follower would say of the publication. One
// by which Plausible's own statements fail is a failure, though polling works.
func checkPublication(ctx context.Context, conn *pgx.Conn) finding {
	const name = "publication"
	if version, err := schema.Version(ctx, conn); err == nil && version == 0 {
		return ok(name, "run makes it together with its tables")
	}
	found, err := cdc.InspectPublication(ctx, conn)
	if err != nil {
		return warning(name, fmt.Sprintf("it cannot be judged: %v", err), "see what is said of the tables above")
	}
	var mayCreate, mayAlter bool
	err = conn.QueryRow(ctx, `select has_database_privilege(current_database(), 'create'),
		not exists (select from pg_publication where pubname = $1 and not pg_has_role(pubowner, 'usage'))
		and not exists (select from unnest($2::text[]) t join pg_class c on c.oid = to_regclass(t) where not pg_has_role(c.relowner, 'usage'))`,
		cdc.Publication, missingTables(found)).Scan(&mayCreate, &mayAlter)
	if err != nil {
		return unanswered(name, err)
	}
	switch {
	case found.Unusable != nil && found.Unusable.Endangers:
		return failure(name, found.Unusable.Reason+": Plausible itself may fail by it", "as a superuser: "+strings.TrimPrefix(found.Unusable.Remedy, "run: "))
	case found.Unusable != nil:
		return warning(name, found.Unusable.Reason+pollingInstead, "as a superuser: "+strings.TrimPrefix(found.Unusable.Remedy, "run: "))
	case found.Statement != "" && mayAlter && (mayCreate || found.Exists):
		return ok(name, "run makes or completes it")
	case found.Statement != "" && found.Exists:
		return warning(name, cdc.Publication+" lacks "+strings.Join(found.Missing, ", ")+pollingInstead, "as a superuser: "+found.Statement+";")
	case found.Statement != "":
		return warning(name, "the role of DATABASE_URL may not make it"+pollingInstead, "as a superuser: "+found.Statement+";")
	case len(found.Others) > 0:
		return warning(name, cdc.Publication+" publishes "+strings.Join(found.Others, ", ")+" as well, of which the sidecar throws away every change",
			"as a superuser: ALTER PUBLICATION "+cdc.Publication+" DROP TABLE "+strings.Join(found.Others, ", ")+";")
	}
	return ok(name, "%s publishes all %d tables whole, and no other", cdc.Publication, len(cdc.FollowedTables()))
}

// missingTables are those that would have to be added.
func missingTables(r cdc.PublicationReport) []string {
	if r.Exists {
		return r.Missing
	}
	return cdc.FollowedTables()
}
