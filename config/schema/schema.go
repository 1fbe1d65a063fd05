package schema

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/tern/v2/migrate"
)

// Name is the PostgreSQL schema that holds all tables of the sidecar.
const Name = "plausible_webhooks"

const versionTable = Name + ".schema_version"

// lockKey is the advisory lock under which the schema itself is created; any
// constant does that nothing else in the database uses.
const lockKey = 0x706c_7768_736b_6d61

// lockWait bounds the wait for another process: its machine may have vanished
// without its session having ended. Whoever gives up can tell, and try again.
const lockWait = time.Minute

//go:embed migrations/*.sql
var files embed.FS

// Result tells what Migrate found and did.
type Result struct {
	From   int32 // The version before; zero: the schema did not exist.
	To     int32 // The version now.
	Wanted int32 // The version this program brings; lower than To after a downgrade.
}

// Wanted is the schema version that this program brings.
func Wanted() int32 {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		panic(err) // The pattern is a constant and valid.
	}
	return int32(len(names))
}

// Migrate brings the schema up to date. It needs CREATE on the database the
// first time and ownership of the schema afterwards. A schema newer than the
// program is left as it is. It waits at most a minute for another process. The
// connection must be a direct one: a pooler in transaction mode would lose the
// lock.
func Migrate(ctx context.Context, conn *pgx.Conn) (Result, error) {
	return migrateAfter(ctx, conn, lockWait)
}

func migrateAfter(ctx context.Context, conn *pgx.Conn, wait time.Duration) (result Result, err error) {
	// A time limit of the role is for Plausible's statements; an index over a
	// long log takes its time. That for locks stands in each migration.
	if _, err := conn.Exec(ctx, "set statement_timeout = 0"); err != nil {
		return Result{}, fmt.Errorf("lift the time limit of statements: %w", err)
	}
	// One lock over looking and doing: between the two, a newer sidecar could
	// otherwise take the schema past what this program knows.
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if _, err := conn.Exec(waiting, "select pg_advisory_lock($1)", int64(lockKey)); err != nil {
		return Result{}, fmt.Errorf("wait for another process that migrates schema %s: %w", Name, err)
	}
	defer func() {
		// A cancelled context must not leave the lock with a pooled connection.
		if _, e := conn.Exec(context.WithoutCancel(ctx), "select pg_advisory_unlock($1)", int64(lockKey)); e != nil && err == nil {
			err = fmt.Errorf("release the migration lock: %w", e)
		}
	}()
	if err := createSchema(ctx, conn); err != nil {
		return Result{}, err
	}
	scripts, err := fs.Sub(files, "migrations")
	if err != nil {
		return Result{}, fmt.Errorf("read embedded migrations: %w", err)
	}
	return upgrade(ctx, conn, scripts, Wanted())
}

// Version returns the schema version of the database; zero: none yet.
func Version(ctx context.Context, conn *pgx.Conn) (int32, error) {
	var exists bool
	if err := conn.QueryRow(ctx, "select to_regclass($1) is not null", versionTable).Scan(&exists); err != nil {
		return 0, fmt.Errorf("look for %s: %w", versionTable, err)
	}
	if !exists {
		return 0, nil
	}
	var version int32
	if err := conn.QueryRow(ctx, "select version from "+versionTable).Scan(&version); err != nil {
		return 0, fmt.Errorf("read %s: %w", versionTable, err)
	}
	return version, nil
}

// createSchema asks first: "if not exists" alone demands CREATE on the
// database even where the schema is there, which a least-privilege role lacks.
func createSchema(ctx context.Context, conn *pgx.Conn) error {
	var exists bool
	if err := conn.QueryRow(ctx, "select exists (select from pg_namespace where nspname = $1)", Name).Scan(&exists); err != nil {
		return fmt.Errorf("look for schema %s: %w", Name, err)
	}
	if exists {
		return nil
	}
	if _, err := conn.Exec(ctx, "create schema "+Name); err != nil {
		return fmt.Errorf("create schema %s (the role of DATABASE_URL needs CREATE on the database; `plausible-webhooks migrate --print-role` prints SQL that makes it for a role without): %w", Name, err)
	}
	return nil
}

// upgrade looks before it migrates: the migrator would take a version below
// the current one as a wish to go down.
func upgrade(ctx context.Context, conn *pgx.Conn, scripts fs.FS, wanted int32) (Result, error) {
	from, err := Version(ctx, conn)
	if err != nil {
		return Result{}, err
	}
	result := Result{From: from, To: from, Wanted: wanted}
	if from >= result.Wanted {
		return result, nil
	}
	migrator, err := migrate.NewMigrator(ctx, conn, versionTable)
	if err != nil {
		return Result{}, fmt.Errorf("prepare %s: %w", versionTable, err)
	}
	if err := migrator.LoadMigrations(scripts); err != nil {
		return Result{}, fmt.Errorf("read embedded migrations: %w", err)
	}
	if err := migrator.Migrate(ctx); err != nil {
		remedy := ""
		switch {
		case hasCode(err, lockNotAvailable):
			remedy = " (another session, a dump perhaps, holds one of its tables: try again once it is done, as `run` does by itself)"
		case hasCode(err, insufficientPrivilege):
			remedy = " (the role of DATABASE_URL does not own it: run `plausible-webhooks migrate` as its owner, or let `plausible-webhooks migrate --print-role` make a role that does)"
		}
		return Result{}, fmt.Errorf("migrate schema %s from version %d to %d%s: %w", Name, from, result.Wanted, remedy, err)
	}
	result.To = result.Wanted
	return result, nil
}

// SQLSTATEs that a person can do something about.
const (
	lockNotAvailable      = "55P03" // A lock_timeout has run out: the migration gave way to another session.
	insufficientPrivilege = "42501"
)

func hasCode(err error, code string) bool {
	var failed *pgconn.PgError
	return errors.As(err, &failed) && failed.Code == code
}
