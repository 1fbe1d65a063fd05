package cdc

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// readBlockers returns whom a backend waits for. A role without
// pg_read_all_stats sees the pid alone. The text of a query is not read: it may
// hold personal data.
func readBlockers(ctx context.Context, conn *pgx.Conn, waiting uint32) ([]Blocker, error) {
	rows, err := conn.Query(ctx, `SELECT b.pid, coalesce(a.application_name, ''), coalesce(a.state, ''),
			coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float8
		FROM unnest(pg_blocking_pids($1::int)) AS b (pid)
		LEFT JOIN pg_stat_activity a ON a.pid = b.pid
		ORDER BY a.xact_start`, int64(waiting))
	if err != nil {
		return nil, fmt.Errorf("read whom the slot waits for: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (b Blocker, err error) {
		var seconds float64
		err = row.Scan(&b.PID, &b.Application, &b.State, &seconds)
		b.Age = time.Duration(seconds * float64(time.Second))
		return b, err
	})
}
