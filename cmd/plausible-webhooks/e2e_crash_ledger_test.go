package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/receiver"

	"github.com/jackc/pgx/v5"
)

// slowAnswer is what some answers take: long enough for a kill meanwhile.
const slowAnswer = 50 * time.Millisecond

// ledger is a receiver that writes down every request, fails now and then, and
// compares what it saw with the log of the sidecar.
type ledger struct {
	*httptest.Server
	caFile string

	mu       sync.Mutex // Guards what follows.
	random   *rand.Rand
	requests map[string][]entry // By webhook-id.
	count    int
	awaited  map[int]chan struct{} // Closed when so many requests have come.
	now      map[string]int        // On their way, by webhook-id,
	together int                   // and the most of one.
}

// entry is one request.
type entry struct {
	at       time.Time
	stamped  time.Time // webhook-timestamp, in whole seconds.
	body     string
	accepted bool // Answered 200, if the answer arrived.
}

func newLedger(t *testing.T, random *rand.Rand) *ledger {
	t.Helper()
	ca, certificate, err := receiver.Authority()
	if err != nil {
		t.Fatal(err)
	}
	l := &ledger{
		caFile: filepath.Join(t.TempDir(), "ca.pem"), random: random,
		requests: make(map[string][]entry), awaited: make(map[int]chan struct{}), now: make(map[string]int),
	}
	if err := os.WriteFile(l.caFile, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	l.Server = httptest.NewUnstartedServer(l)
	l.Config.ErrorLog = log.New(io.Discard, "", 0) // Cut connections are what this is about.
	l.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	l.StartTLS()
	t.Cleanup(func() {
		l.CloseClientConnections()
		l.Close()
	})
	return l
}

func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // Cut before it was whole: no request.
	}
	id := r.Header.Get("webhook-id")
	seconds, _ := strconv.ParseInt(r.Header.Get("webhook-timestamp"), 10, 64) // Zero matches no attempt.

	l.mu.Lock()
	fate := l.random.IntN(100)
	l.requests[id] = append(l.requests[id], entry{time.Now(), time.Unix(seconds, 0), string(body), fate < 92})
	l.count++
	if c, ok := l.awaited[l.count]; ok {
		close(c)
		delete(l.awaited, l.count)
	}
	l.now[id]++
	l.together = max(l.together, l.now[id])
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.now[id]--; l.now[id] == 0 {
			delete(l.now, id)
		}
	}()

	switch {
	case fate < 2:
		timer := time.NewTimer(slowAnswer)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
		}
	case fate >= 96:
		panic(http.ErrAbortHandler) // Received, and no answer.
	case fate >= 92:
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// reached is closed when n requests have come.
func (l *ledger) reached(n int) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.awaited[n]
	if c == nil {
		c = make(chan struct{})
		if l.count >= n {
			close(c)
		} else {
			l.awaited[n] = c
		}
	}
	return c
}

func (l *ledger) total() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// logged is a delivery as the sidecar's tables tell of it.
type logged struct {
	id, payload, status string
	attempts            int
	rows                []loggedAttempt
}

type loggedAttempt struct {
	number  int
	started time.Time
	status  *int
	open    bool // Nothing tells what came of it.
}

// compare holds that nothing was lost and that no request is unlogged, and
// tells in short what there was. Nothing may arrive any more.
func (l *ledger) compare(w *world) string {
	w.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	deliveries := readLog(w)
	if len(deliveries) != crashDeliveries {
		w.t.Errorf("%d deliveries in the log, want %d", len(deliveries), crashDeliveries)
	}
	var requests, repeated, needless, attempts, cut int
	known := make(map[string]bool)
	for _, d := range deliveries {
		known[d.id] = true
		seen := l.requests[d.id]
		attempts += len(d.rows)
		requests += len(seen)
		repeated += max(len(seen)-1, 0)
		accepted := 0
		for _, r := range seen {
			if r.body != d.payload {
				w.t.Errorf("delivery %s: body %q, want the payload %q", d.id, r.body, d.payload)
			}
			if r.accepted {
				accepted++
			}
		}
		needless += max(accepted-1, 0)
		answered := false
		for i, a := range d.rows {
			answered = answered || a.status != nil && *a.status == http.StatusOK
			if a.open {
				w.t.Errorf("delivery %s: nothing tells what came of attempt %d", d.id, a.number)
			}
			if a.number != i+1 {
				w.t.Errorf("delivery %s: attempt %d follows %d", d.id, a.number, i)
			}
			if a.status == nil {
				cut++
			}
		}
		if d.status != "delivered" || accepted == 0 || !answered || d.attempts != len(d.rows) {
			w.t.Errorf("delivery %s is %s after %d attempts, %d of them in the log, accepted by the receiver %d times; want delivered",
				d.id, d.status, d.attempts, len(d.rows), accepted)
		}
		if r := unlogged(seen, d.rows); r != nil {
			w.t.Errorf("delivery %s: the request of %s has no attempt of its own in the log: %d requests, attempts %+v",
				d.id, r.at.Format(time.RFC3339Nano), len(seen), d.rows)
		}
	}
	for id := range l.requests {
		if !known[id] {
			w.t.Errorf("a request with the webhook-id %q, which no delivery has", id)
		}
	}
	if l.together > 1 {
		w.t.Errorf("%d requests of one delivery were there at once", l.together)
	}
	return fmt.Sprintf("%d deliveries, %d requests, %d of them repeated, %d although accepted before; %d attempts in the log, %d without an answer",
		len(deliveries), requests, repeated, needless, attempts, cut)
}

// stampLimit is how long after the record of an attempt its request is
// stamped, at most, on a busy machine.
const stampLimit = 5 * time.Second

// unlogged returns a request for which there is no attempt: each needs one of
// its own, that was begun before the request came and was stamped.
func unlogged(seen []entry, rows []loggedAttempt) *entry {
	seen = slices.Clone(seen)
	slices.SortFunc(seen, func(a, b entry) int { return a.stamped.Compare(b.stamped) })
	for i := range seen {
		for {
			if len(rows) == 0 {
				return &seen[i]
			}
			begun := rows[0].started
			rows = rows[1:]
			if !begun.After(seen[i].at) && !begun.Truncate(time.Second).After(seen[i].stamped) && seen[i].stamped.Sub(begun) <= stampLimit {
				break
			}
		}
	}
	return nil
}

func readLog(w *world) (all []*logged) {
	w.t.Helper()
	w.db(func(conn *pgx.Conn) error {
		rows, err := conn.Query(w.t.Context(), "select id::text, payload, status, attempts from plausible_webhooks.webhook_deliveries")
		if err != nil {
			return err
		}
		byID := make(map[string]*logged)
		all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (*logged, error) {
			d := &logged{}
			err := row.Scan(&d.id, &d.payload, &d.status, &d.attempts)
			byID[d.id] = d
			return d, err
		})
		if err != nil {
			return err
		}
		rows, err = conn.Query(w.t.Context(), `select delivery_id::text, attempt, started_at, status_code, duration_ms is null and error is null
			from plausible_webhooks.webhook_delivery_attempts order by delivery_id, attempt`)
		if err != nil {
			return err
		}
		var id string
		var a loggedAttempt
		_, err = pgx.ForEachRow(rows, []any{&id, &a.number, &a.started, &a.status, &a.open}, func() error {
			byID[id].rows = append(byID[id].rows, a)
			return nil
		})
		return err
	})
	return all
}
