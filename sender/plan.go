package sender

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// byIndexSQL has the statement after it planned for the sizes that the tables
// have now, and find rows by index. PostgreSQL otherwise keeps to the plan that
// a connection made once, until somebody analyses the tables: made while they
// were small, it reads all of them ever after, and a burst on a fresh installation
// costs the square of its size. Planning takes a quarter of a millisecond.
const byIndexSQL = `select set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_seqscan', 'off', true)`

// byIndex runs a statement that way, in the same round trip and transaction,
// and returns its rows once that is committed.
func byIndex[T any](ctx context.Context, db *pgxpool.Pool, read pgx.RowToFunc[T], sql string, values ...any) (found []T, err error) {
	var both pgx.Batch
	both.Queue(byIndexSQL)
	both.Queue(sql, values...)
	results := db.SendBatch(ctx, &both)
	defer func() {
		// Only the end of the batch tells that it was committed.
		if e := results.Close(); err == nil && e != nil {
			found, err = nil, e
		}
	}()
	if _, err := results.Exec(); err != nil {
		return nil, err
	}
	rows, err := results.Query()
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, read)
}

// doByIndex is byIndex for a statement that returns nothing.
func doByIndex(ctx context.Context, db *pgxpool.Pool, sql string, values ...any) error {
	_, err := byIndex(ctx, db, func(pgx.CollectableRow) (struct{}, error) { return struct{}{}, nil }, sql, values...)
	return err
}
