package stack

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

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

func execute(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestPostgresIsWhatTestsNeed(t *testing.T) {
	server := TestPostgresWith(t, PostgresOptions{})
	conn := connect(t, server.URL(""))
	for setting, want := range map[string]string{
		"wal_level": "logical", "timezone": "UTC", "fsync": "off", "listen_addresses": "127.0.0.1", "server_encoding": "UTF8",
	} {
		if got := one[string](t, conn, "select current_setting($1)", setting); got != want {
			t.Errorf("%s: got %q, want %q", setting, got, want)
		}
	}
	if got, want := one[string](t, conn, "select current_user"), "postgres"; got != want {
		t.Errorf("user: got %q, want %q", got, want)
	}
	socket := "postgres:///postgres?user=postgres&host=" + server.SocketDir() + "&port=" + strconv.Itoa(server.Port())
	if !one[bool](t, connect(t, socket), "select inet_server_addr() is null") {
		t.Error("the connection to the socket went by way of TCP")
	}
}

func TestPostgresVersions(t *testing.T) {
	for _, version := range []int{17, 18} {
		t.Run(strconv.Itoa(version), func(t *testing.T) {
			server := TestPostgresWith(t, PostgresOptions{Version: version})
			url, err := server.CreateDatabase(t.Context(), "plausible_db", V32)
			if err != nil {
				t.Fatal(err)
			}
			conn := connect(t, url)
			if got := one[int](t, conn, "select current_setting('server_version_num')::int / 10000"); got != version {
				t.Errorf("version: got %d, want %d", got, version)
			}
			if got := one[string](t, conn, "show wal_level"); got != "logical" {
				t.Errorf("wal_level: got %q, want logical", got)
			}
		})
	}
}

func TestPostgresSettings(t *testing.T) {
	server := TestPostgresWith(t, PostgresOptions{
		WALLevel: "replica",
		Settings: map[string]string{"max_replication_slots": "1", "timezone": "Europe/Tallinn"},
	})
	conn := connect(t, server.URL(""))
	for setting, want := range map[string]string{
		"wal_level": "replica", "max_replication_slots": "1", "timezone": "Europe/Tallinn",
	} {
		if got := one[string](t, conn, "select current_setting($1)", setting); got != want {
			t.Errorf("%s: got %q, want %q", setting, got, want)
		}
	}
}

func TestPostgresRestartKeepsDataAndPort(t *testing.T) {
	server := TestPostgresWith(t, PostgresOptions{})
	port := server.Port()
	conn := connect(t, server.URL(""))
	execute(t, conn, "create table kept (n int); insert into kept values (1)")

	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a connection outlived the restart")
	}
	conn = connect(t, server.URL(""))
	execute(t, conn, "insert into kept values (2)")

	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := pgx.Connect(t.Context(), server.URL("")); err == nil {
		t.Error("the killed server takes connections")
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := one[int](t, connect(t, server.URL("")), "select count(*) from kept"), 2; got != want {
		t.Errorf("rows after a restart and a crash: got %d, want %d", got, want)
	}
	if got := server.Port(); got != port {
		t.Errorf("port: got %d, want %d", got, port)
	}
}

func TestPostgresKeepsDir(t *testing.T) {
	// Folders of t.TempDir are closed to the user that postgres runs as.
	run, err := newRunDir("kept")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run.remove() })
	dir := filepath.Join(run.path, "data")
	for start := range 2 {
		server, err := startEngine(t.Context(), PostgresOptions{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Stop()
		found, err := server.HasDatabase(t.Context(), "plausible_db")
		if err != nil {
			t.Fatal(err)
		}
		if want := start == 1; found != want {
			t.Errorf("start %d: database is there: got %v, want %v", start, found, want)
		}
		if !found {
			if _, err := server.CreateDatabase(t.Context(), "plausible_db", V30); err != nil {
				t.Fatal(err)
			}
		}
		if err := server.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPostgresStop(t *testing.T) {
	server := TestPostgresWith(t, PostgresOptions{})
	for range 2 {
		if err := server.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if matches, _ := filepath.Glob(server.run.path + "*"); len(matches) > 0 {
		t.Errorf("left behind: %v", matches)
	}
	if err := server.Restart(t.Context()); err == nil || !strings.Contains(err.Error(), "was stopped") {
		t.Errorf("restart of a stopped server: got %v", err)
	}
}

func TestPostgresThatCannotStart(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	tests := map[string]struct {
		options PostgresOptions
		want    string
	}{
		"version":   {PostgresOptions{Version: 12}, "there are engines for 16, 17 and 18"},
		"wal level": {PostgresOptions{WALLevel: "minimal"}, "it must be logical or replica"},
		"port":      {PostgresOptions{Port: 70000}, "it must be between 1 and 65535"},
		"taken":     {PostgresOptions{Port: taken.Addr().(*net.TCPAddr).Port}, "could not bind"},
		"setting":   {PostgresOptions{Settings: map[string]string{"no_such": "1"}}, "no_such"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server, err := startEngine(t.Context(), test.options)
			if err == nil {
				server.Stop()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error: got %q, want one line with %q", err, test.want)
			}
		})
	}
}

func TestPostgresOfSomebodyElse(t *testing.T) {
	ours := TestPostgres(t)
	t.Setenv("DEVSTACK_DATABASE_URL", ours.URL("")+"&application_name=theirs")
	server, err := StartPostgres(t.Context(), PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if server.Port() != ours.Port() || !strings.Contains(server.URL("x"), "/x?") || !strings.Contains(server.URL("x"), "application_name=theirs") {
		t.Errorf("URL of database x: got %s", server.URL("x"))
	}
	url, err := server.CreateDatabase(t.Context(), "plausible_db", V30)
	if err != nil {
		t.Fatal(err)
	}
	name := databaseOf(url)
	if !strings.HasPrefix(name, "plausible_db_") {
		t.Errorf("database: got %q, want plausible_db and a random ending", name)
	}
	connect(t, url) // A client that stays must not keep the database from being dropped.
	if err := server.Restart(t.Context()); err == nil {
		t.Error("a server that is not ours was restarted")
	}
	if err := server.Kill(); err == nil {
		t.Error("a server that is not ours was killed")
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if found, err := ours.HasDatabase(t.Context(), name); err != nil || found {
		t.Errorf("database after stop: got %v, %v", found, err)
	}

	const secret = "s3cret"
	t.Setenv("DEVSTACK_DATABASE_URL", "postgres://user:"+secret+"@host:port/x")
	if _, err := StartPostgres(t.Context(), PostgresOptions{}); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("malformed URL: got %v, want an error without the password", err)
	}
}
