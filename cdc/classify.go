package cdc

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// switchOn is how an operator allows logical replication. Plausible's compose
// file starts PostgreSQL without it.
const switchOn = "to follow changes within a second, start PostgreSQL with wal_level=logical " +
	"(in the compose file of Plausible: \"command: postgres -c wal_level=logical\" at plausible_db) and restart it"

// PostgreSQL 19 raises wal_level by itself once a logical slot is made.
const raisesWALLevelItself = 190000

// checkServer tells without touching anything whether replication has a chance.
func checkServer(ctx context.Context, conn *pgx.Conn) error {
	var version int
	var walLevel string
	err := conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, current_setting('wal_level')").Scan(&version, &walLevel)
	if err != nil {
		return fmt.Errorf("read wal_level: %w", err)
	}
	if walLevel == "logical" || version >= raisesWALLevelItself {
		return nil
	}
	return &UnavailableError{Reason: fmt.Sprintf("PostgreSQL runs with wal_level=%s", walLevel), Remedy: switchOn}
}

// classify finds the errors of a session's start that only a person can mend.
func classify(err error) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return err
	}
	unavailable := func(reason, remedy string) error {
		return &UnavailableError{Reason: reason, Remedy: remedy, Err: err}
	}
	switch pgErr.Code {
	case "55000":
		return unavailable("PostgreSQL refuses a logical replication slot ("+pgErr.Message+")", switchOn)
	case "53400":
		return unavailable("all replication slots of PostgreSQL are in use",
			"raise max_replication_slots and restart it, or drop slots that nobody uses (see pg_replication_slots)")
	case "53300":
		return unavailable("PostgreSQL accepts no further replication connection ("+pgErr.Message+")",
			"raise max_wal_senders or max_connections and restart it")
	case "42501":
		return unavailable("the role of DATABASE_URL may not replicate", "run as a superuser: ALTER ROLE … REPLICATION; (on a managed service: its replication role)")
	case "28000":
		return unavailable("pg_hba.conf refuses the connection for replication ("+pgErr.Message+")",
			"allow the role for this database by name: the key word \"replication\" is about physical replication only")
	case "08P01", "0A000":
		return unavailable("the server does not take a replication connection ("+pgErr.Message+")",
			"let DATABASE_URL name PostgreSQL itself, not a pooler such as PgBouncer")
	}
	return err
}
