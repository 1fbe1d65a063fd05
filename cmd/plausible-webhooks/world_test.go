package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/receiver"
	process "plausible-webhooks/deploy/devstack/sidecar"
	"plausible-webhooks/deploy/devstack/stack"

	"github.com/jackc/pgx/v5"
)

// patience bounds waits that a busy machine may stretch; bounds that the
// contract promises are tested with the promised time.
const patience = 40 * time.Second

// pollInterval is what the sidecar of these tests evaluates with.
const pollInterval = 2 * time.Second

var builtProgram = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "plausible-webhooks")
	if err != nil {
		return "", err
	}
	binaryDir = dir
	return process.Build(context.Background(), dir)
})

// binaryDir holds the built program; TestMain removes it.
var binaryDir string

// world is a real sidecar between real engines and a recording receiver.
type world struct {
	t        *testing.T
	database string
	events   string
	receiver *receiver.Receiver
	hooks    string // host:port of webhooks' URLs; empty: the receiver's own.
	program  string // Empty: the built one.
	environ  []string
	log      *logLines
	process  *process.Process
}

// newWorld starts nothing yet but the receiver.
func newWorld(t *testing.T, database, events string) *world {
	t.Helper()
	r, err := receiver.Start(receiver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	roots, err := r.CAFile(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, database: database, events: events, receiver: r, log: &logLines{}, environ: []string{
		"BASE_URL=https://plausible.example.com", "DATABASE_URL=" + database, "CLICKHOUSE_DATABASE_URL=" + events,
		"CONFIG_DIR=/nonexistent", "SECRET_KEY_BASE=" + strings.Repeat("0123456789abcdef", 4), "WEBHOOKS_PLAUSIBLE_URL=http://127.0.0.1:9",
		"WEBHOOKS_CA_FILE=" + roots, "WEBHOOKS_ALLOWED_TARGETS=127.0.0.0/8", "WEBHOOKS_POLL_INTERVAL=" + pollInterval.String(),
	}}
}

// start runs the built program; what it logged is told if the test fails.
func (w *world) start() {
	w.t.Helper()
	binary, err := w.program, error(nil)
	if binary == "" {
		binary, err = builtProgram()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if w.process, err = process.Start(binary, w.environ, w.log); err != nil {
		w.t.Fatal(err)
	}
	running := w.process
	w.t.Cleanup(func() {
		select {
		case <-running.Exited():
		default:
			if err := running.Stop(); err != nil {
				w.t.Error(err)
			}
		}
		if w.t.Failed() && running == w.process { // Once, where there were several.
			w.t.Logf("the sidecar's log:\n%s", w.log)
		}
	})
}

func (w *world) startReady() {
	w.t.Helper()
	w.start()
	w.waitReady()
}

func (w *world) waitReady() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	if err := w.process.Ready(ctx); err != nil {
		w.t.Fatal(err)
	}
}

// readiness asks /readyz.
func (w *world) readiness() readiness {
	w.t.Helper()
	answer, err := http.Get("http://" + w.process.Admin + "/readyz")
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var r readiness
	if err := json.NewDecoder(answer.Body).Decode(&r); err != nil {
		w.t.Fatal(err)
	}
	if r.Ready != (answer.StatusCode == http.StatusOK) {
		w.t.Errorf("/readyz answers %d and says ready: %v", answer.StatusCode, r.Ready)
	}
	return r
}

// until asks again until yes holds: what is waited for has no signal outside
// of the process.
func (w *world) until(what string, within time.Duration, yes func() bool) {
	w.t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !yes() {
		select {
		case <-again.C:
		case <-deadline.C:
			w.t.Fatalf("%s: not within %v", what, within)
		}
	}
}

// following waits until the settings are followed by replication.
func (w *world) following() {
	w.t.Helper()
	w.until("following by replication", patience, func() bool { return w.readiness().Config.Mode == "replication" })
}

// db runs a function on a connection of its own: servers come and go here.
func (w *world) db(do func(*pgx.Conn) error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.t.Context()), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, w.database)
	if err == nil {
		err = errors.Join(do(conn), conn.Close(ctx))
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	w.db(func(conn *pgx.Conn) error {
		_, err := conn.Exec(context.WithoutCancel(w.t.Context()), sql, args...)
		return err
	})
}

func value[T any](w *world, sql string, args ...any) (v T) {
	w.t.Helper()
	w.db(func(conn *pgx.Conn) error {
		return conn.QueryRow(context.WithoutCancel(w.t.Context()), sql, args...).Scan(&v)
	})
	return v
}

// addSite makes a site in Plausible.
func (w *world) addSite(id int64, domain string) {
	w.t.Helper()
	w.exec(`insert into public.sites (id, domain, timezone, inserted_at, updated_at, native_stats_start_at)
		values ($1, $2, 'Etc/UTC', now(), now(), '2020-01-01')`, id, domain)
}

// addHook makes a webhook with plain SQL, and returns its id.
func (w *world) addHook(site int64, path, secret string) int64 {
	w.t.Helper()
	url := w.receiver.URL(path)
	if w.hooks != "" {
		url = "https://" + w.hooks + path
	}
	return value[int64](w, "insert into plausible_webhooks.webhooks (site_id, url, secret) values ($1, $2, nullif($3, '')) returning id", site, url, secret)
}

// addTrigger makes a trigger and returns when it counts from: rows of its own
// second are not its own (deploy/REFERENCE.md section 5).
func (w *world) addTrigger(webhook int64, typ string, threshold int) (from time.Time) {
	w.t.Helper()
	at := value[time.Time](w, `insert into plausible_webhooks.webhook_triggers (webhook_id, type, threshold)
		values ($1, $2, $3) returning inserted_at`, webhook, typ, threshold)
	return at.Truncate(time.Second).Add(time.Second)
}

// visit writes page views of so many visitors, not before a moment.
func (w *world) visit(site uint64, visitors int, from time.Time) {
	w.t.Helper()
	<-time.After(time.Until(from))
	events := make([]stack.Event, visitors)
	for i := range events {
		events[i] = stack.Event{SiteID: site, Pathname: "/launch", ReferrerSource: "Hacker News", UserID: uint64(time.Now().UnixNano()) + uint64(i)}
	}
	if err := stack.InsertEvents(w.t.Context(), w.events, events); err != nil {
		w.t.Fatal(err)
	}
}

// received waits for the first n requests at a path.
func (w *world) received(path string, n int, within time.Duration) []receiver.Request {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), within)
	defer cancel()
	requests, err := w.receiver.Wait(ctx, path, n)
	if err != nil {
		w.t.Fatal(err)
	}
	return requests
}

// enqueue inserts a delivery with plain SQL, and returns its id.
func (w *world) enqueue(webhook int64) string {
	w.t.Helper()
	return value[string](w, `insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload)
		values ($1, 'webhook.test', '{"type":"webhook.test"}') returning id::text`, webhook)
}

// finished waits until a delivery has a status, and returns it.
func (w *world) finished(delivery string) string {
	w.t.Helper()
	var status string
	w.until("delivery "+delivery+" finished", patience, func() bool {
		status = value[string](w, "select status from plausible_webhooks.webhook_deliveries where id = $1::uuid", delivery)
		return status != "pending"
	})
	return status
}

// logLines collects what the sidecar logs.
type logLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// count is how many lines hold a text.
func (l *logLines) count(text string) (n int) {
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}
