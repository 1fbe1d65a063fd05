package stack

import (
	"context"
	"crypto/rand"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

var (
	exitMutex sync.Mutex
	exitHooks []func()
)

// onExit has f called when the test binary ends by way of Main, the last one
// first. Shared servers stop there; without Main they die with the process.
func onExit(f func()) {
	exitMutex.Lock()
	defer exitMutex.Unlock()
	exitHooks = append(exitHooks, f)
}

// Main runs the tests of a binary and then stops the shared servers. Call it
// as
//
//	func TestMain(m *testing.M) { os.Exit(stack.Main(m)) }
func Main(m *testing.M) int {
	defer runExitHooks()
	return m.Run()
}

func runExitHooks() {
	exitMutex.Lock()
	hooks := exitHooks
	exitHooks = nil
	exitMutex.Unlock()
	for _, hook := range slices.Backward(hooks) {
		hook()
	}
}

var shared struct {
	once   sync.Once
	server *Postgres
	err    error
}

// TestPostgres returns the server that the tests of this binary share, with
// logical replication, and starts it when the first test asks.
func TestPostgres(t testing.TB) *Postgres {
	t.Helper()
	shared.once.Do(func() {
		// It outlives the test that happens to be the first.
		shared.server, shared.err = StartPostgres(context.WithoutCancel(t.Context()), PostgresOptions{})
		if shared.err == nil {
			onExit(func() { _ = shared.server.Stop() })
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// TestPostgresWith starts a server for this test alone, which may be killed and
// restarted, and stops it when the test ends. It is always an engine of ours,
// also where DEVSTACK_DATABASE_URL is set.
func TestPostgresWith(t testing.TB, options PostgresOptions) *Postgres {
	t.Helper()
	server, err := startEngine(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// TestDatabase returns the URL of a fresh database with Plausible's tables (or
// none, for NoPlausible) in the shared server. It is dropped when the test
// ends, and clients that are still connected are thrown out.
func TestDatabase(t testing.TB, version PlausibleVersion) (url string) {
	t.Helper()
	server := TestPostgres(t)
	url, err := server.CreateDatabase(t.Context(), "test_"+strings.ToLower(rand.Text()[:10]), version)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), dropTimeout)
		defer cancel()
		if err := server.DropDatabase(ctx, databaseOf(url)); err != nil {
			t.Error(err)
		}
	})
	return url
}

func databaseOf(databaseURL string) string {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(u.Path, "/")
}
