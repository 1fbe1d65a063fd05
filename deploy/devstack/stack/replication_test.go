package stack

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// createSlot makes a temporary slot, as followers do.
const createSlot = "CREATE_REPLICATION_SLOT follower TEMPORARY LOGICAL pgoutput (SNAPSHOT 'nothing')"

func replicate(t *testing.T, url string) *pgconn.PgConn {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), url+"&replication=database")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(t.Context()) })
	return conn
}

func TestReplicationBySlot(t *testing.T) {
	server := TestPostgresWith(t, PostgresOptions{})
	url, err := server.CreateDatabase(t.Context(), "followed", V32)
	if err != nil {
		t.Fatal(err)
	}
	follower := replicate(t, url)
	if _, err := follower.Exec(t.Context(), createSlot).ReadAll(); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, server.URL(""))
	if got := one[int](t, conn, "select count(*) from pg_replication_slots where database = 'followed'"); got != 1 {
		t.Errorf("slots: got %d, want 1", got)
	}
	// The client of a slot must not keep a database from being dropped.
	if err := server.DropDatabase(t.Context(), "followed"); err != nil {
		t.Fatal(err)
	}
	if got := one[int](t, conn, "select count(*) from pg_replication_slots"); got != 0 {
		t.Errorf("slots of a dropped database: got %d, want 0", got)
	}
}

func TestReplicationNeedsLogicalWAL(t *testing.T) {
	server := TestPostgresWith(t, PostgresOptions{WALLevel: "replica"})
	_, err := replicate(t, server.URL("")).Exec(t.Context(), createSlot).ReadAll()
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != "55000" {
		t.Errorf("slot with wal_level=replica: got %v, want SQLSTATE 55000", err)
	}
}
