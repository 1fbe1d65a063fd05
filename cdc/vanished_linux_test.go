package cdc

import (
	"context"
	"net"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sys/unix"

	"plausible-webhooks/deploy/devstack/stack"
)

// deaf drops every packet that comes for a connection before anything of it is
// acknowledged, as if its host were gone.
func deaf(t *testing.T, conn net.Conn) {
	t.Helper()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0}
	var failed error
	if err := raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop})
	}); err != nil || failed != nil {
		t.Fatalf("drop what comes in: %v, %v", err, failed)
	}
}

// The host of the sidecar vanishes in the middle of a read: what the server has
// sent is never acknowledged.
func TestReadWhoseHostVanishesHoldsUpNoMigration(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind.source), func(t *testing.T) {
			w := newWorld(t, stack.V32)
			w.largeGoals(800)
			base, err := pgx.ParseConfig(w.url)
			if err != nil {
				t.Fatal(err)
			}
			config := kind.config(base)
			var network net.Conn
			dial := config.DialFunc
			config.DialFunc = func(ctx context.Context, kind, address string) (conn net.Conn, err error) {
				if conn, err = dial(ctx, kind, address); network == nil {
					network = conn // Not that of a request to cancel.
				}
				return conn, err
			}
			conn, err := pgconn.ConnectConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = network.Close()
				closeConnection(conn)
			})
			if err := beginLocked(t.Context(), conn); err != nil {
				t.Fatal(err)
			}
			rows := conn.Exec(t.Context(), "select * from goals")
			if !rows.NextResult() || !rows.ResultReader().NextRow() {
				t.Fatal("no row was read")
			}
			deaf(t, network)
			eventually(t, "a read that is held up", func() bool { return w.sessionsOfOurs(kind.backend, "ClientWrite", true) == 1 })
			if took := w.migrate(patience); took > strandedPatience {
				t.Errorf("the migration waited for %s, want at most %s", took, strandedPatience)
			}
		})
	}
}
