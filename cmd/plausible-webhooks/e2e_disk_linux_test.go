package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"plausible-webhooks/deploy/devstack/stack"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// diskBytes is the size of a disk that holds a fresh PostgreSQL and Plausible's
// tables, and has room for a little more.
const diskBytes = 160 << 20

// ownDisk names the variable that tells the test where its disk is.
const ownDisk = "TESTED_DISK"

// PostgreSQL's disk is full, with its data, its log and all, and has room again
// later. First its tables cannot grow; then its write-ahead log cannot, at which
// it stops by itself.
func TestWeatherOfAFullDisk(t *testing.T) {
	t.Parallel() // It waits most of the time.
	dir := os.Getenv(ownDisk)
	if dir == "" {
		onOwnDisk(t)
		return
	}
	complaints := &logLines{}
	server := stack.TestPostgresWith(t, stack.PostgresOptions{Dir: dir, Log: complaints, Settings: map[string]string{
		"autovacuum":   "off", // It would make room.
		"max_wal_size": "32MB", "min_wal_size": "32MB",
	}})
	database, err := server.CreateDatabase(t.Context(), "weather", stack.V32)
	check(t, err)
	w := newWeather(t, database, stack.TestEvents(t))
	disk := ballast(filepath.Join(dir, "ballast"))

	var felt func() bool
	w.pass(storm{"tables", func() {
		felt = w.since("plausible_webhooks_evaluation_failed_total", 2)
		disk.fill(t)
		w.fillTables()
	}, func() bool { return felt() }, func() { disk.free(t) }})
	if complaints.count("No space left on device") == 0 {
		t.Error("PostgreSQL does not say that its disk was full, so that this shows nothing")
	}

	w.pass(storm{"write-ahead log", func() {
		disk.fill(t)
		w.fillLog()
	}, func() bool { return complaints.count("PANIC:") > 0 && !w.readiness().Config.Healthy }, func() {
		disk.free(t)
		check(t, server.Restart(t.Context())) // As a container runtime does.
	}})
	w.holds()
	if err := w.process.Stop(); err != nil {
		t.Error(err)
	}
}

// onOwnDisk runs the test that calls it once more, in a process with mounts of
// its own: one of them is the disk, and goes with the last of its processes,
// however they end.
func onOwnDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		onlyHere(t, "only root may mount a disk")
	}
	self, err := os.Executable()
	check(t, err)
	dir := t.TempDir()
	for folder := dir; folder != os.TempDir() && folder != "/"; folder = filepath.Dir(folder) {
		check(t, os.Chmod(folder, 0o755)) // PostgreSQL runs as another user.
	}
	mounts := fmt.Sprintf("mount -t tmpfs -o size=%d,mode=0755 none %s", diskBytes, dir)
	if out, err := exec.CommandContext(t.Context(), "unshare", "--mount", "/bin/sh", "-c", mounts).CombinedOutput(); err != nil {
		onlyHere(t, fmt.Sprintf("nobody can mount a disk here: %v: %s", err, out))
	}
	again := exec.Command("unshare", "--mount", "/bin/sh", "-c", mounts+` && exec "$0" "$@"`, self,
		"-test.run=^"+t.Name()+"$", "-test.count=1", "-test.v", "-test.timeout=10m")
	again.Env = append(os.Environ(), ownDisk+"="+dir)
	again.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // With whose end that of the process comes.
	defer runtime.UnlockOSThread()
	var out bytes.Buffer
	again.Stdout, again.Stderr = &out, &out
	err = again.Run()
	t.Logf("on a disk of its own:\n%s", &out)
	if err != nil || !strings.Contains(out.String(), "--- PASS: "+t.Name()) {
		t.Errorf("on a disk of its own: %v", err)
	}
}

// ballast is a file that takes up what is left of a disk.
type ballast string

func (b ballast) fill(t *testing.T) {
	t.Helper()
	file, err := os.Create(string(b))
	check(t, err)
	piece := make([]byte, 64<<10)
	for err == nil {
		if _, err = file.Write(piece); errors.Is(err, syscall.ENOSPC) && len(piece) > 1<<10 {
			piece, err = piece[:len(piece)/2], nil
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	check(t, file.Close())
}

func (b ballast) free(t *testing.T) {
	t.Helper()
	check(t, os.Remove(string(b)))
}

// fillTables uses up the room that is left within the files of the sidecar's
// tables, as its own work would in time: rows that are finished already.
func (w *weather) fillTables() {
	w.t.Helper()
	hook := w.addHook(1, "/nobody", "")
	for _, fill := range []string{
		`insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload, status, finished_at, next_attempt_at)
			values ($1, 'webhook.test', '{}', 'delivered', now(), null)`,
		`insert into plausible_webhooks.webhook_delivery_attempts (delivery_id, attempt, status_code, duration_ms)
			select d.id, 1 + (select coalesce(max(attempt), 0) from plausible_webhooks.webhook_delivery_attempts where delivery_id = d.id), 200, 1
			from plausible_webhooks.webhook_deliveries d where d.webhook_id = $1 limit 1`,
	} {
		w.untilRefused(func(conn *pgx.Conn) error {
			_, err := conn.Exec(w.t.Context(), fill, hook)
			return err
		}, "53100") // disk_full
	}
}

// fillLog writes until the log needs a file that the disk has no room for.
func (w *weather) fillLog() {
	w.t.Helper()
	w.untilRefused(func(conn *pgx.Conn) error {
		_, err := conn.Exec(w.t.Context(), "select pg_logical_emit_message(false, 'weather', 'x'), pg_switch_wal()")
		return err
	}, "")
}

// untilRefused repeats something until it fails, with a certain SQLSTATE, or
// with the connection.
func (w *weather) untilRefused(do func(*pgx.Conn) error, state string) {
	w.t.Helper()
	w.db(func(conn *pgx.Conn) error {
		for {
			err := do(conn)
			var said *pgconn.PgError
			switch {
			case err == nil:
			case state == "" && conn.IsClosed(), errors.As(err, &said) && said.Code == state:
				return nil
			default:
				return err
			}
		}
	})
}
