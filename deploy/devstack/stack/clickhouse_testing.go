package stack

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var sharedClickHouse struct {
	once   sync.Once
	server *ClickHouse
	err    error
}

var databasesMade atomic.Int64

// TestClickHouse returns the ClickHouse that all tests of the binary share.
// It starts with the first call and lives until Main ends or the process dies. Tests that
// pause, kill or restart a server start their own.
func TestClickHouse(t testing.TB) *ClickHouse {
	t.Helper()
	sharedClickHouse.once.Do(func() {
		// Not the test's context: the server outlives the test that asks first, and
		// the engine may have to be fetched.
		server, err := StartClickHouse(context.Background(), ClickHouseOptions{})
		if err == nil {
			onExit(func() { _ = server.Stop() })
		}
		sharedClickHouse.server, sharedClickHouse.err = server, err
	})
	if sharedClickHouse.err != nil {
		t.Fatal(sharedClickHouse.err)
	}
	return sharedClickHouse.server
}

// TestEvents returns the URL of a fresh database with Plausible's current
// tables (v3.2) on the shared ClickHouse. It is dropped when the test ends.
func TestEvents(t testing.TB) (url string) {
	t.Helper()
	return testEvents(t, V32)
}

// TestEventsOf is TestEvents for a release line.
func TestEventsOf(t testing.TB, version PlausibleVersion) (url string) {
	t.Helper()
	return testEvents(t, version)
}

func testEvents(t testing.TB, version PlausibleVersion) string {
	t.Helper()
	server := TestClickHouse(t)
	// The process id keeps test binaries apart that share a server of one's own.
	name := fmt.Sprintf("events_%d_%d", os.Getpid(), databasesMade.Add(1))
	url, err := server.CreateDatabaseOf(t.Context(), version, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.DropDatabase(ctx, name); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return url
}
