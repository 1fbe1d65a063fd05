package cdc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	beginRead = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

	// A table is locked for moments only, by a migration or by vacuum cutting
	// its end off: worth a few tries before it counts as a failure.
	lockTries = 5
	lockPause = 200 * time.Millisecond
)

// SQLSTATE codes that are decided upon.
const (
	undefinedTable   = "42P01"
	undefinedSchema  = "3F000"
	lockNotAvailable = "55P03"
)

func hasCode(err error, codes ...string) bool {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return false
	}
	for _, code := range codes {
		if pgErr.Code == code {
			return true
		}
	}
	return false
}

// read brings a mirror to the present state, which is one for all tables. The
// position is one by which a stream has delivered all that the state contains.
// After an error the mirror is of no use.
func read(ctx context.Context, conn *pgx.Conn, m *mirror) (pglogrepl.LSN, error) {
	pg := conn.PgConn()
	if err := beginLocked(ctx, pg); err != nil {
		return 0, err
	}
	return readTables(ctx, pg, m)
}

// beginLocked opens the transaction of a read and locks the tables before its
// snapshot is taken: a table that is rewritten in between looks empty.
func beginLocked(ctx context.Context, pg *pgconn.PgConn) error {
	for try := 1; ; try++ {
		if err := execute(ctx, pg, "begin the read", beginRead); err != nil {
			return err
		}
		err := lockTables(ctx, pg)
		if err == nil {
			return nil
		}
		if rollback := execute(ctx, pg, "end the read", "ROLLBACK"); rollback != nil {
			return rollback
		}
		if hasCode(err, undefinedTable, undefinedSchema) {
			return missingTable(ctx, pg, err)
		}
		if try == lockTries || !hasCode(err, lockNotAvailable) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockPause):
		}
	}
}

// lockTables takes the weakest lock on all tables or fails at once. To wait for
// one table while holding another could make a migration of Plausible the
// victim of a deadlock.
func lockTables(ctx context.Context, pg *pgconn.PgConn) error {
	return execute(ctx, pg, "lock the tables against migrations", "LOCK TABLE "+strings.Join(followedTables(), ", ")+" IN ACCESS SHARE MODE NOWAIT")
}

func missingTable(ctx context.Context, pg *pgconn.PgConn, cause error) error {
	for _, name := range followedTables() {
		rows, err := query(ctx, pg, "SELECT 1 WHERE to_regclass('"+name+"') IS NULL")
		if err != nil {
			return err
		}
		if len(rows) > 0 {
			return &SchemaError{Table: name}
		}
	}
	return cause // It appeared in this moment; the next read finds it.
}

// readTables reads a mirror's tables within the transaction that is open on the
// connection, and ends it. Everything is asked for at once: the server lets go
// of the tables once the last row is on its way, and does not wait meanwhile
// for us to have understood the rows before. It uses the simple protocol alone,
// for a walsender knows no other; the results are text.
func readTables(ctx context.Context, pg *pgconn.PgConn, m *mirror) (position pglogrepl.LSN, err error) {
	columns, err := readColumns(ctx, pg)
	if err != nil {
		return 0, err
	}
	var questions []string
	for _, t := range m.all {
		existing, ok := columns[t.qualified()]
		if !ok {
			return 0, &SchemaError{Table: t.qualified()}
		}
		sql, names, err := t.selectFrom(existing)
		if err == nil {
			_, err = t.describe(names)
		}
		if err != nil {
			return 0, fmt.Errorf("read table %s: %w", t.qualified(), err)
		}
		questions = append(questions, sql)
	}
	results := pg.Exec(ctx, strings.Join(append(questions, askPosition, "COMMIT"), ";\n"))
	defer func() {
		if closed := results.Close(); err == nil && closed != nil {
			err = fmt.Errorf("end the read: %w", closed)
		}
	}()
	for _, t := range m.all {
		if err := readTable(results, t); err != nil {
			return 0, fmt.Errorf("read table %s: %w", t.qualified(), err)
		}
	}
	position, err = readPosition(results)
	if err != nil {
		return 0, fmt.Errorf("read the position in the WAL: %w", err)
	}
	return position, nil
}

// readTable takes the next result as the rows of a table.
func readTable(results *pgconn.MultiResultReader, t tableRows) error {
	if !results.NextResult() {
		return results.Close() // What ended them.
	}
	rows := results.ResultReader()
	t.beginRead()
	defer t.abandonRead() // No effect after its end.
	for rows.NextRow() {
		if err := t.load(tuple{values: rows.Values()}); err != nil {
			return err
		}
	}
	if _, err := rows.Close(); err != nil {
		return err
	}
	t.endRead()
	return nil
}

// readColumns returns the present columns of each table.
func readColumns(ctx context.Context, pg *pgconn.PgConn) (map[string][]string, error) {
	quoted := make([]string, 0, 5)
	for _, name := range followedTables() {
		quoted = append(quoted, "'"+name+"'")
	}
	rows, err := query(ctx, pg, `SELECT n.nspname || '.' || c.relname, a.attname
		FROM pg_catalog.pg_attribute a
		JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname || '.' || c.relname IN (`+strings.Join(quoted, ", ")+`)
		AND a.attnum > 0 AND NOT a.attisdropped
		ORDER BY 1, a.attnum`)
	if err != nil {
		return nil, fmt.Errorf("read the columns of the tables: %w", err)
	}
	columns := make(map[string][]string)
	for _, row := range rows {
		columns[row[0]] = append(columns[row[0]], row[1])
	}
	return columns, nil
}

// askPosition asks for a position that a stream reaches once it has delivered
// every commit before now. A standby has its own word for it.
const askPosition = `SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
	ELSE pg_current_wal_insert_lsn() END, current_setting('wal_block_size')`

// readPosition takes the next result as the answer to askPosition.
func readPosition(results *pgconn.MultiResultReader) (pglogrepl.LSN, error) {
	if !results.NextResult() {
		return 0, results.Close()
	}
	answer := results.ResultReader().Read()
	if answer.Err != nil {
		return 0, answer.Err
	}
	lsn, err := pglogrepl.ParseLSN(string(answer.Rows[0][0]))
	if err != nil {
		return 0, err
	}
	block, err := strconv.ParseUint(string(answer.Rows[0][1]), 10, 32)
	if err != nil {
		return 0, err
	}
	return beforePageHeader(lsn, pglogrepl.LSN(block)), nil
}

// beforePageHeader takes a position just behind the header of a WAL page (24
// bytes, 40 on the first page of a segment) back to the page's start. The
// place where the next record will go lies there, while a stream that has
// delivered everything stays at the end of the last one until there is more.
func beforePageHeader(lsn, block pglogrepl.LSN) pglogrepl.LSN {
	const longestHeader = 40
	if block > 0 && lsn%block <= longestHeader {
		return lsn - lsn%block
	}
	return lsn
}

// query returns the rows of a small result as text; null is the empty string.
func query(ctx context.Context, pg *pgconn.PgConn, sql string) ([][]string, error) {
	results, err := pg.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, result := range results {
		for _, values := range result.Rows {
			row := make([]string, len(values))
			for i, value := range values {
				row[i] = string(value)
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func execute(ctx context.Context, pg *pgconn.PgConn, what, sql string) error {
	if err := pg.Exec(ctx, sql).Close(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
