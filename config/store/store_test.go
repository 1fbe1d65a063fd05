package store_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"plausible-webhooks/config/schema"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/store"
	"plausible-webhooks/config/target"
	"plausible-webhooks/deploy/devstack/stack"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

func TestMain(m *testing.M) { os.Exit(stack.Main(m)) }

const (
	key      = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
	otherKey = "YWJjZGVmZ2hpamFiY2RlZmdoaWphYmNkZWZnaGlqYWI="
	hookURL  = "https://hooks.example.com/services/T0/secret-path"
)

// place is a migrated database with two sites and a few goals.
type place struct {
	*store.Store
	t    *testing.T
	pool *pgxpool.Pool
}

func keyring(t *testing.T, encoded string) secret.Keyring {
	t.Helper()
	ring, err := secret.NewKeyring(secret.New(encoded), secret.Text{})
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func rules() target.Rules { return target.Rules{AllowedPorts: target.DefaultPorts()} }

func newPlace(t *testing.T) place {
	t.Helper()
	p := placeOn(t, stack.TestDatabase(t, stack.V32))
	p.exec(`insert into public.sites (id, domain, timezone, team_id, inserted_at, updated_at) values
		(1, 'example.com', 'Etc/UTC', null, now(), now()), (2, 'shop.example.org', 'Etc/UTC', null, now(), now())`)
	p.exec(`insert into public.goals (id, site_id, event_name, display_name, inserted_at, updated_at) values
		(10, 1, 'Signup', 'Signup', now(), now()), (11, 1, 'Paid, yearly', 'Paid, yearly', now(), now()), (20, 2, 'Order', 'Order', now(), now())`)
	return p
}

func placeOn(t *testing.T, url string) place {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := schema.Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return place{Store: store.New(pool, store.Options{Keys: keyring(t, key), Targets: rules(), MaxPerSite: 3}), t: t, pool: pool}
}

// with returns another store on the same database.
func (p place) with(options store.Options) place {
	p.Store = store.New(p.pool, options)
	return p
}

func (p place) exec(sql string, args ...any) {
	p.t.Helper()
	if _, err := p.pool.Exec(p.t.Context(), sql, args...); err != nil {
		p.t.Fatalf("%s: %v", sql, err)
	}
}

func (p place) scan(into any, sql string, args ...any) {
	p.t.Helper()
	if err := p.pool.QueryRow(p.t.Context(), sql, args...).Scan(into); err != nil {
		p.t.Fatalf("%s: %v", sql, err)
	}
}

func (p place) mustAdd(entered store.NewWebhook) (int64, secret.Text) {
	p.t.Helper()
	if entered.URL == "" {
		entered.URL = hookURL
	}
	id, shown, err := p.Add(p.t.Context(), entered)
	if err != nil {
		p.t.Fatal(err)
	}
	return id, shown
}

func (p place) mustGet(id int64) store.Webhook {
	p.t.Helper()
	w, err := p.Get(p.t.Context(), id)
	if err != nil {
		p.t.Fatal(err)
	}
	return w
}

// opened returns a stored secret as the sender will see it.
func (p place) opened(id int64, column string) string {
	p.t.Helper()
	var stored *string
	p.scan(&stored, "select "+column+" from plausible_webhooks.webhooks where id = $1", id)
	if stored == nil {
		return ""
	}
	if !secret.Sealed(*stored) {
		p.t.Errorf("%s of webhook %d is stored as it is; want it sealed", column, id)
	}
	plain, err := keyring(p.t, key).Open(*stored, "webhooks", column, id)
	if err != nil {
		p.t.Fatalf("open %s of webhook %d: %v", column, id, err)
	}
	return plain.Reveal()
}

// wantFields checks that err is an *Invalid about exactly these fields.
func wantFields(t *testing.T, err error, want ...string) {
	t.Helper()
	var invalid *store.Invalid
	if !errors.As(err, &invalid) {
		t.Errorf("error %v; want *Invalid about %v", err, want)
		return
	}
	var got []string
	for _, field := range invalid.Fields {
		got = append(got, field.Field)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields of %v (-want +got):\n%s", err, diff)
	}
}

func wantText(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v; want %q in it", err, part)
		}
	}
}

func pointer[T any](value T) *T { return &value }

func describe(triggers []store.Trigger) []string {
	var lines []string
	for _, t := range triggers {
		cooldown := "default"
		if t.CooldownSeconds != nil {
			cooldown = fmt.Sprint(*t.CooldownSeconds)
		}
		lines = append(lines, fmt.Sprintf("%s goal=%q threshold=%d window=%d cooldown=%s repeat=%v recovery=%v enabled=%v broken=%v",
			t.Type, t.GoalName, t.Threshold, t.WindowSeconds, cooldown, t.Repeat, t.NotifyRecovery, t.Enabled, t.Broken))
	}
	return lines
}
