package stack

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

// connect opens a connection that is closed with the test.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(t.Context()) })
	return conn
}

// one runs a query that yields a single value.
func one[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	var value T
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func TestPostgresServesPlausible(t *testing.T) {
	conn := connect(t, TestDatabase(t, V32))
	if got, want := one[string](t, conn, "show wal_level"), "logical"; got != want {
		t.Errorf("wal_level: got %q, want %q", got, want)
	}
	if got, want := one[string](t, conn, "select current_user"), "postgres"; got != want {
		t.Errorf("user: got %q, want %q", got, want)
	}
	if got, want := one[string](t, conn, "show timezone"), "UTC"; got != want {
		t.Errorf("timezone: got %q, want %q", got, want)
	}
}
