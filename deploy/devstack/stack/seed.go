package stack

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// DB is what seeding needs of a connection, a transaction or a pool of pgx.
type DB interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// row is what an INSERT sets, column by column. Columns that keep their zero
// value are left out, so that the database's default holds and releases that
// lack the column do not mind.
type row struct {
	columns []string
	values  []any
}

func (r *row) set(column string, value any) {
	r.columns = append(r.columns, column)
	r.values = append(r.values, value)
}

// option sets a column unless the value is zero.
func option[T comparable](r *row, column string, value T) {
	var zero T
	if value != zero {
		r.set(column, value)
	}
}

// insert adds the row, with the times that Plausible writes in UTC, and
// returns its id.
func (r *row) insert(ctx context.Context, db DB, table string) (int64, error) {
	places := make([]string, len(r.columns))
	for i := range places {
		places[i] = "$" + strconv.Itoa(i+1)
	}
	statement := fmt.Sprintf("insert into %s (%s) values (%s) returning id",
		table, strings.Join(r.columns, ", "), strings.Join(places, ", "))
	var id int64
	if err := db.QueryRow(ctx, statement, r.values...).Scan(&id); err != nil {
		return 0, fmt.Errorf("add a row to %s: %w", table, err)
	}
	return id, nil
}

// written returns a row with the times of now, as Plausible writes them.
func written() *row {
	now := time.Now().UTC().Truncate(time.Second)
	r := &row{}
	r.set("inserted_at", now)
	r.set("updated_at", now)
	return r
}
