package store_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"plausible-webhooks/config/store"

	"github.com/jackc/pgx/v5"
)

const (
	// lockPatience is how long a migration of Plausible may have to wait for
	// us: two seconds, and what a busy machine adds.
	lockPatience = 5 * time.Second
	patience     = 30 * time.Second
)

// migrate locks Plausible's tables as its migrations do.
func (p place) migrate() {
	p.t.Helper()
	conn, err := pgx.ConnectConfig(p.t.Context(), p.pool.Config().ConnConfig)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = conn.Close(p.t.Context()) }()
	began := time.Now()
	_, err = conn.Exec(p.t.Context(), fmt.Sprintf("begin; set local lock_timeout = %d; lock table sites, goals, spike_notifications in access exclusive mode; commit", lockPatience.Milliseconds()))
	if err != nil {
		p.t.Errorf("a migration after %s: %v", time.Since(began).Round(time.Millisecond), err)
	}
}

// held is a source of secrets that stops in the middle of a transaction.
type held struct {
	reached, goOn chan struct{}
}

func (h held) Read(p []byte) (int, error) {
	close(h.reached)
	<-h.goOn
	return io.ReadFull(rand.Reader, p)
}

// A sidecar that is stopped while somebody adds a webhook.
func TestStoppedTransactionHoldsUpNoMigration(t *testing.T) {
	p := newPlace(t)
	stop := held{make(chan struct{}), make(chan struct{})}
	p = p.with(store.Options{Keys: keyring(t, key), Targets: rules(), Random: stop})
	added := make(chan error, 1)
	go func() {
		_, _, err := p.Add(t.Context(), store.NewWebhook{Site: "example.com", URL: hookURL, Format: "standard"})
		added <- err
	}()
	<-stop.reached
	var locks int
	p.scan(&locks, "select count(*) from pg_locks where relation = 'public.sites'::regclass")
	if locks == 0 {
		t.Error("the transaction has no lock on sites; this test shows nothing")
	}
	p.migrate()
	close(stop.goOn)
	if err := <-added; err == nil {
		t.Error("the webhook was added by a transaction that had been given up")
	}
}

// Whoever edits a webhook at the same time holds up the sidecar, and it Plausible.
func TestWaitForAWebhookHoldsUpNoMigration(t *testing.T) {
	p := newPlace(t)
	id, _ := p.mustAdd(store.NewWebhook{Site: "example.com"})
	tx, err := p.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), "select from plausible_webhooks.webhooks where id = $1 for update", id); err != nil {
		t.Fatal(err)
	}
	updated := make(chan error, 1)
	go func() { updated <- p.Update(t.Context(), id, store.Changes{Name: pointer("Ops")}) }()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(patience)
	for waiting := 0; waiting == 0; {
		select {
		case <-again.C:
			p.scan(&waiting, "select count(*) from pg_locks l join pg_locks s using (pid) where not l.granted and s.relation = 'public.sites'::regclass")
		case <-deadline:
			t.Fatal("the update does not wait for the row; this test shows nothing")
		}
	}
	p.migrate()
	if err := <-updated; !errors.Is(err, store.ErrBusy) {
		t.Errorf("the update of a webhook that somebody else holds: %v, want ErrBusy", err)
	}
}
