package cdc

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5"

	"plausible-webhooks/config"
	"plausible-webhooks/config/schema"
	"plausible-webhooks/deploy/devstack/stack"
)

const (
	// promised is how soon a change must be visible under replication.
	promised = time.Second
	// patience is for what has no promise: an engine that starts or stops on a
	// busy machine. Reaching it is a failure.
	patience = 30 * time.Second
)

// world is a database with Plausible's tables and ours, and someone who changes
// it.
type world struct {
	t   *testing.T
	url string
	db  *pgx.Conn
}

// newWorld makes a database in the shared server.
func newWorld(t *testing.T, version stack.PlausibleVersion) *world {
	t.Helper()
	return worldAt(t, stack.TestDatabase(t, version))
}

// worldIn makes a database in a server of its own.
func worldIn(t *testing.T, server *stack.Postgres, version stack.PlausibleVersion) *world {
	t.Helper()
	url, err := server.CreateDatabase(t.Context(), "plausible_db", version)
	if err != nil {
		t.Fatal(err)
	}
	return worldAt(t, url)
}

func worldAt(t *testing.T, url string) *world {
	t.Helper()
	w := &world{t: t, url: url, db: connect(t, url)}
	if _, err := schema.Migrate(t.Context(), w.db); err != nil {
		t.Fatal(err)
	}
	return w
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // A server that stopped has closed it already.
	return conn
}

// reconnect replaces the connection after the server went away.
func (w *world) reconnect() {
	w.t.Helper()
	w.db = connect(w.t, w.url)
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.db.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

func (w *world) id(sql string, args ...any) (id int64) {
	w.t.Helper()
	if err := w.db.QueryRow(w.t.Context(), sql, args...).Scan(&id); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return id
}

func (w *world) site(domain string) int64 {
	w.t.Helper()
	id, err := stack.AddSite(w.t.Context(), w.db, stack.Site{Domain: domain})
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func (w *world) goal(site int64, goal stack.Goal) int64 {
	w.t.Helper()
	id, err := stack.AddGoal(w.t.Context(), w.db, site, goal)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func (w *world) notification(site int64, n stack.Notification) int64 {
	w.t.Helper()
	id, err := stack.AddNotification(w.t.Context(), w.db, site, n)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func (w *world) webhook(site int64) int64 {
	w.t.Helper()
	return w.id(`insert into plausible_webhooks.webhooks (site_id, url, secret)
		values ($1, 'https://hooks.example/secret-path', 'whsec_do-not-show') returning id`, site)
}

// following is a follower at work, and everything that can be waited for.
type following struct {
	*Follower
	t        *testing.T
	log      *logBook
	events   chan struct{} // Something happened: view, status, comparison or custody.
	stop     func()        // Ends it and waits; may be called twice.
	mu       sync.Mutex
	compared int
	found    []Difference
	custodes int
	slots    []string
}

// follow starts a follower that polls and compares often enough for a test.
func follow(t *testing.T, url string, options Options) *following {
	t.Helper()
	return followAt(t, url, options, normalRhythm)
}

// followAt starts a follower whose sessions have another rhythm.
func followAt(t *testing.T, url string, options Options, pace rhythm) *following {
	t.Helper()
	connect, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	options.Connect = connect
	if options.PollInterval == 0 {
		options.PollInterval = 300 * time.Millisecond
	}
	log := &logBook{}
	options.Log = hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: log})
	f := &following{Follower: New(options), t: t, log: log, events: make(chan struct{}, 1)}
	f.rhythm = pace
	f.hooks = hooks{
		status: func() { signal(f.events) },
		compared: func(found []Difference, err error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if err == nil {
				f.compared++
			}
			f.found = append(f.found, found...)
			signal(f.events)
		},
		custody: func(err error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if err == nil {
				f.custodes++
			}
			signal(f.events)
		},
		slot: func(name string) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.slots = append(f.slots, name)
			signal(f.events)
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := f.Run(ctx); err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	f.stop = func() { cancel(); done.Wait() }
	t.Cleanup(func() {
		f.stop()
		if t.Failed() {
			t.Logf("status %+v\n%s", f.Status(), log.text())
		}
	})
	return f
}

// until waits for a condition that follows from an event of the follower.
func (f *following) until(limit time.Duration, what string, condition func() bool) {
	f.t.Helper()
	changed, cancel := f.Subscribe()
	defer cancel()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for !condition() {
		select {
		case <-changed:
		case <-f.events:
		case <-deadline.C:
			f.t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// sees waits for a condition of the view.
func (f *following) sees(limit time.Duration, what string, condition func(*config.View) bool) {
	f.t.Helper()
	f.until(limit, what, func() bool {
		view := f.View()
		return view != nil && condition(view)
	})
}

func (f *following) seesSite(limit time.Duration, id int64, want bool) {
	f.t.Helper()
	f.sees(limit, "the site", func(v *config.View) bool {
		_, ok := v.Site(id)
		return ok == want
	})
}

func (f *following) replicates() {
	f.t.Helper()
	f.until(patience, "replication", func() bool { return f.Status().Mode == ModeReplication && f.Status().Healthy })
}

// compares waits for a comparison that begins after this call.
func (f *following) compares() []Difference {
	f.t.Helper()
	f.mu.Lock()
	before := f.compared
	f.found = nil
	f.mu.Unlock()
	f.askToCompare()
	f.until(patience, "a comparison", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.compared > before
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.found
}

// askToCompare does what the stream does when it sees a sign of silent changes.
func (f *following) askToCompare() {
	f.Follower.mu.Lock()
	defer f.Follower.mu.Unlock()
	f.compareSoon = true
	signal(f.wake)
}

func (f *following) sessions() int { return len(f.slotNames()) }

func (f *following) slotNames() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.slots)
}

// logBook keeps what was logged.
type logBook struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(p)
}

func (l *logBook) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.String()
}

// warnings are the lines that people should look at.
func (l *logBook) warnings() []string {
	var found []string
	for line := range strings.Lines(l.text()) {
		if strings.Contains(line, "[WARN]") || strings.Contains(line, "[ERROR]") {
			found = append(found, line)
		}
	}
	return found
}

// eventually asks the database again and again: nothing signals what happens
// inside of it.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}
