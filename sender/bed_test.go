package sender_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"plausible-webhooks/config/schema"
	"plausible-webhooks/config/target"
	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/deploy/devstack/stack"
	"plausible-webhooks/sender"
)

func TestMain(m *testing.M) { os.Exit(stack.Main(m)) }

// patience bounds every wait of the tests; a busy machine is slow, but not
// that slow.
const patience = 30 * time.Second

const whsec = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// bed is a database with the sidecar's tables, a receiver, and whatever the
// senders on it have logged.
type bed struct {
	t        *testing.T
	db       *pgxpool.Pool
	receiver *receiver.Receiver
	log      *capture
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{t: t, log: &capture{}}
	config, err := pgxpool.ParseConfig(stack.TestDatabase(t, stack.V32))
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 8
	if b.db, err = pgxpool.NewWithConfig(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.db.Close)
	if err := b.db.AcquireFunc(t.Context(), func(c *pgxpool.Conn) error {
		_, err := schema.Migrate(t.Context(), c.Conn())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if b.receiver, err = receiver.Start(receiver.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.receiver.Stop)
	return b
}

// options are the default ones with waits of milliseconds and loopback allowed.
func (b *bed) options() sender.Options {
	b.t.Helper()
	o := sender.Defaults()
	o.DB = b.db
	o.RetryWaitMin, o.RetryWaitMax = 10*time.Millisecond, 40*time.Millisecond
	o.PollInterval = 50 * time.Millisecond
	loopback, err := target.ParseAllowed("127.0.0.0/8")
	if err != nil {
		b.t.Fatal(err)
	}
	o.Rules.AllowedTargets = []target.Allowed{loopback}
	if o.Roots, err = sender.Roots(b.receiver.CA()); err != nil {
		b.t.Fatal(err)
	}
	o.Version = "1.2.3"
	o.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: b.log})
	return o
}

// running is a sender at work. Stop asks it to end and waits until it has.
type running struct {
	*sender.Sender
	Stop func() error
}

func (b *bed) start(o sender.Options, prepare ...func(*sender.Sender)) running {
	b.t.Helper()
	s := sender.New(o)
	for _, p := range prepare {
		p(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	r := running{s, sync.OnceValue(func() error {
		cancel()
		return <-ended
	})}
	b.t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			b.t.Errorf("run: %v", err)
		}
	})
	return r
}

func (b *bed) exec(sql string, args ...any) {
	b.t.Helper()
	if _, err := b.db.Exec(b.t.Context(), sql, args...); err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
}

func value[T any](b *bed, sql string, args ...any) (v T) {
	b.t.Helper()
	if err := b.db.QueryRow(b.t.Context(), sql, args...).Scan(&v); err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func (b *bed) webhook(url string, secret any) int64 {
	b.t.Helper()
	return value[int64](b, "insert into plausible_webhooks.webhooks (url, secret) values ($1, $2) returning id", url, secret)
}

// enqueue inserts a delivery as plain SQL of others would.
func (b *bed) enqueue(webhook int64, payload string) (id string) {
	b.t.Helper()
	return value[string](b, `insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload)
		values ($1, 'traffic.spike', $2) returning id::text`, webhook, payload)
}

func (b *bed) enqueueMany(webhook int64, n int) {
	b.t.Helper()
	b.exec(`insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload)
		select $1, 'goal.completed', format('{"n":%s}', n) from generate_series(1, $2) n`, webhook, n)
}

func (b *bed) show(id string) sender.Detail {
	b.t.Helper()
	d, err := sender.Show(b.t.Context(), b.db, id)
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

// until waits for a condition that is only to be seen in the database.
func (b *bed) until(what string, holds func() bool) {
	b.t.Helper()
	deadline := time.After(patience)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline:
			b.t.Fatalf("waited %s for %s; log:\n%s", patience, what, b.log)
		}
	}
}

func (b *bed) untilStatus(id, status string) sender.Detail {
	b.t.Helper()
	b.until(fmt.Sprintf("delivery %s to be %s", id, status), func() bool { return b.show(id).Status == status })
	return b.show(id)
}

func (b *bed) count(where string, args ...any) int {
	b.t.Helper()
	return value[int](b, "select count(*) from plausible_webhooks.webhook_deliveries where "+where, args...)
}

func (b *bed) requests(path string, n int) []receiver.Request {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	requests, err := b.receiver.Wait(ctx, path, n)
	if err != nil {
		b.t.Fatalf("%v; log:\n%s", err, b.log)
	}
	return requests
}

// row reads one row as a map, for comparisons.
func (b *bed) row(sql string, args ...any) map[string]any {
	b.t.Helper()
	rows, err := b.db.Query(b.t.Context(), sql, args...)
	if err != nil {
		b.t.Fatal(err)
	}
	row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToMap)
	if err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
	return row
}

// capture is a log that tests can read while it is written.
type capture struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (c *capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.Write(p)
}

func (c *capture) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.String()
}

func texts(attempts []sender.Attempt) []string {
	var all []string
	for _, a := range attempts {
		text := fmt.Sprint(a.Attempt)
		if a.StatusCode != nil {
			text += fmt.Sprintf(" %d", *a.StatusCode)
		}
		if a.Error != nil {
			text += " " + *a.Error
		}
		all = append(all, text)
	}
	return all
}
