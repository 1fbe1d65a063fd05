package stack

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"
)

// ownClickHouse is a server that the test may mistreat.
func ownClickHouse(t *testing.T, opts ClickHouseOptions) *ClickHouse {
	t.Helper()
	server, err := startClickHouseEngine(t.Context(), opts)
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

func TestClickHouseSurvivesCancelledQueries(t *testing.T) {
	conn := dial(t, TestEvents(t), clickhouse.CompressionNone)
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		var n uint64
		err := conn.QueryRow(ctx, "SELECT count() FROM numbers(10) WHERE sleepEachRow(0.1) = 0").Scan(&n)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled query: got error %v, want context canceled", err)
		}
		cancel()
	}
	if err := conn.Ping(t.Context()); err != nil {
		t.Errorf("ping afterwards: %v", err)
	}
}

func TestClickHouseKeepsDataOverRestartAndCrash(t *testing.T) {
	server := ownClickHouse(t, ClickHouseOptions{Profile: "ce"})
	url, err := server.CreateDatabase(t.Context(), "plausible_events_db")
	if err != nil {
		t.Fatal(err)
	}
	conn := dial(t, url, clickhouse.CompressionLZ4)
	for i, again := range []func() error{
		func() error { return server.Restart(t.Context()) },
		func() error { return errors.Join(server.Kill(), server.Restart(t.Context())) },
	} {
		if err := InsertEvents(t.Context(), url, make([]Event, 1000)); err != nil {
			t.Fatal(err)
		}
		if err := again(); err != nil {
			t.Fatal(err)
		}
		if got := server.URL("plausible_events_db"); got != url {
			t.Fatalf("got address %s, want %s as before", got, url)
		}
		var rows uint64
		var blockSize uint64
		err := conn.QueryRow(t.Context(), "SELECT count(), toUInt64(getSetting('max_block_size')) FROM events_v2").Scan(&rows, &blockSize)
		if want := uint64(1000 * (i + 1)); err != nil || rows != want || blockSize != 8192 {
			t.Errorf("restart %d: got %d rows, block size %d, error %v, want %d and 8192", i, rows, blockSize, err, want)
		}
	}
}

func TestClickHouseKeepsAGivenFolder(t *testing.T) {
	dir := t.TempDir()
	first := ownClickHouse(t, ClickHouseOptions{Dir: dir})
	if _, err := first.CreateDatabase(t.Context(), "kept"); err != nil {
		t.Fatal(err)
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	second := ownClickHouse(t, ClickHouseOptions{Dir: dir})
	if err := InsertEvents(t.Context(), second.URL("kept"), make([]Event, 1)); err != nil {
		t.Error(err)
	}
}

func TestClickHouseStopRemovesItsFolder(t *testing.T) {
	server := ownClickHouse(t, ClickHouseOptions{})
	if _, err := os.Stat(server.opts.Dir); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := server.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(server.opts.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("data folder after stop: got %v, want none", err)
	}
	if err := server.Restart(t.Context()); err == nil {
		t.Error("restart after stop: got no error")
	}
}

func TestClickHouseTakenPortIsAnError(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	server, err := startClickHouseEngine(t.Context(), ClickHouseOptions{Port: taken.Addr().(*net.TCPAddr).Port})
	if err == nil {
		t.Fatal(errors.Join(errors.New("got no error"), server.Stop()))
	}
	if !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v, want it to say that the address is in use", err)
	}
}

func TestClickHousePauseFailResume(t *testing.T) {
	server := ownClickHouse(t, ClickHouseOptions{})
	conn := dial(t, server.URL("default"), clickhouse.CompressionLZ4)
	if err := conn.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}

	if err := server.Fail(); err != nil {
		t.Fatal(err)
	}
	if got := exceptionCode(conn.Ping(t.Context())); got != 202 {
		t.Errorf("failing: got code %d, want 202", got)
	}

	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := conn.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("paused: got %v, want the deadline to pass", err)
	}
	waiting := make(chan error, 1)
	go func() { waiting <- conn.Ping(t.Context()) }()
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; err != nil {
		t.Errorf("resumed: %v", err)
	}
}

func TestClickHouseQueryLog(t *testing.T) {
	server := ownClickHouse(t, ClickHouseOptions{})
	url, err := server.CreateDatabase(t.Context(), "logged")
	if err != nil {
		t.Fatal(err)
	}
	if err := InsertEvents(t.Context(), url, make([]Event, 500)); err != nil {
		t.Fatal(err)
	}
	conn := dial(t, url, clickhouse.CompressionNone)
	var visitors uint64
	sql := "SELECT uniqIf(user_id, name = {name:String}) FROM events_v2 WHERE toDate(timestamp) >= today() - 1"
	ctx := clickhouse.Context(t.Context(), clickhouse.WithQueryID("tick-1"), clickhouse.WithSettings(clickhouse.Settings{"max_threads": 1}))
	if err := conn.QueryRow(ctx, sql, clickhouse.Named("name", "pageview")).Scan(&visitors); err != nil || visitors != 500 {
		t.Fatalf("got %d visitors, error %v, want 500", visitors, err)
	}
	queries, err := server.Queries()
	if err != nil {
		t.Fatal(err)
	}
	got := queries[len(queries)-1]
	if got.Started.IsZero() || got.Elapsed <= 0 || got.ReadBytes == 0 || got.Seq != uint64(len(queries)) {
		t.Errorf("got started %v, elapsed %v, read %d bytes, number %d of %d", got.Started, got.Elapsed, got.ReadBytes, got.Seq, len(queries))
	}
	want := Query{ID: "tick-1", Database: "logged", SQL: sql, Params: map[string]string{"name": "pageview"},
		ResultRows: 1, ReadRows: 500, Seq: got.Seq, Started: got.Started, Elapsed: got.Elapsed, ReadBytes: got.ReadBytes,
		Settings: map[string]string{"max_threads": "1"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("newest entry (-want +got):\n%s", diff)
	}
	newest, err := server.LastQueries(1)
	if err != nil || len(newest) != 1 || newest[0].Seq != got.Seq {
		t.Errorf("last query: got %+v, error %v, want number %d alone", newest, err, got.Seq)
	}
	functions, err := server.Functions(t.Context(), "logged")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"uniqIf", "equals", "toDate", "today", "minus", "greaterOrEquals"} {
		if !slices.Contains(functions, name) {
			t.Errorf("functions: got %v, want %s among them", functions, name)
		}
	}
}
