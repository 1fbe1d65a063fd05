package browser_test

import (
	"bytes"
	"context"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/plausible"
	"plausible-webhooks/deploy/devstack/proxy"
	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/deploy/devstack/sidecar"
	"plausible-webhooks/deploy/devstack/stack"

	"github.com/jackc/pgx/v5/pgxpool"
)

const password = "correct horse"

// house is everything around the page.
type house struct {
	t        *testing.T
	db       *pgxpool.Pool
	database string
	events   string
	web      *plausible.Server
	front    *proxy.Proxy
	receiver *receiver.Receiver
	process  *sidecar.Process
	log      lines
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, database: stack.TestDatabase(t, stack.V32), events: stack.TestEvents(t)}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	h.db, err = pgxpool.New(t.Context(), h.database)
	must(err)
	t.Cleanup(h.db.Close)
	h.startWeb("")
	h.front, err = proxy.Start("")
	must(err)
	t.Cleanup(h.front.Stop)
	must(h.front.Plausible(h.web.URL()))
	h.receiver, err = receiver.Start(receiver.Options{})
	must(err)
	t.Cleanup(h.receiver.Stop)
	roots, err := h.receiver.CAFile(t.TempDir())
	must(err)
	binary, err := sidecar.Build(t.Context(), t.TempDir())
	must(err)
	h.process, err = sidecar.Start(binary, []string{
		"BASE_URL=" + h.front.URL(), "DATABASE_URL=" + h.database, "CLICKHOUSE_DATABASE_URL=" + h.events, "WEBHOOKS_PLAUSIBLE_URL=" + h.web.URL(),
		"CONFIG_DIR=/nonexistent", "SECRET_KEY_BASE=" + strings.Repeat("0123456789abcdef", 4), "WEBHOOKS_CA_FILE=" + roots,
		"WEBHOOKS_ALLOWED_TARGETS=127.0.0.0/8", "WEBHOOKS_RETRIES=1",
	}, &h.log)
	must(err)
	t.Cleanup(func() {
		if err := h.process.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the sidecar's log:\n%s", h.log.String())
		}
	})
	ready, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must(h.process.Ready(ready))
	must(h.front.Sidecar("http://" + h.process.Pages))
	return h
}

// startWeb starts the stand-in for Plausible, again at an address that it had.
func (h *house) startWeb(address string) {
	h.t.Helper()
	web, err := plausible.Start(h.t.Context(), plausible.Options{Addr: address, DatabaseURL: h.database, ClickHouseURL: h.events})
	if err != nil {
		h.t.Fatal(err)
	}
	h.web = web
	h.t.Cleanup(web.Stop)
}

func (h *house) exec(sql string, args ...any) {
	h.t.Helper()
	if _, err := h.db.Exec(h.t.Context(), sql, args...); err != nil {
		h.t.Fatalf("%s: %v", sql, err)
	}
}

func value[T any](h *house, sql string, args ...any) (v T) {
	h.t.Helper()
	if err := h.db.QueryRow(h.t.Context(), sql, args...).Scan(&v); err != nil {
		h.t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// site is a site of one person, with goals and a week of traffic.
type site struct {
	id     int64
	domain string
	signup int64 // A goal.
}

// path is one below the site's settings.
func (s site) path(below string) string { return "/" + s.domain + "/settings/" + below }

// settle makes a person with a site of their own, so that journeys do not meet.
func (h *house) settle(name, theme string) (email string, s site) {
	h.t.Helper()
	must := func(err error) {
		h.t.Helper()
		if err != nil {
			h.t.Fatal(err)
		}
	}
	ctx := h.t.Context()
	email, s.domain = name+"@example.com", name+".example.com"
	account, err := plausible.AddAccount(ctx, h.db, email, password)
	must(err)
	h.exec("update users set theme = $2 where id = $1", account.UserID, theme)
	s.id, err = account.AddSite(ctx, h.db, stack.Site{Domain: s.domain, Timezone: "Europe/Tallinn", NativeStatsStartAt: time.Now().AddDate(0, -2, 0)})
	must(err)
	s.signup, err = stack.AddGoal(ctx, h.db, s.id, stack.Goal{EventName: "Signup"})
	must(err)
	_, err = stack.AddGoal(ctx, h.db, s.id, stack.Goal{PagePath: "/blog/*"})
	must(err)
	_, err = stack.AddNotification(ctx, h.db, s.id, stack.Notification{Type: "spike", Threshold: 40, Recipients: []string{email}})
	must(err)
	return email, s
}

// traffic gives a site a week with days, nights and one evening on a front
// page.
func (h *house) traffic(s site) {
	h.t.Helper()
	now := time.Now().UTC().Truncate(time.Hour)
	var events []stack.Event
	for back := range 7 * 24 * 4 {
		at := now.Add(-time.Duration(back) * 15 * time.Minute)
		visitors := int(4 + 4*math.Sin(float64(at.Hour()-9)/24*2*math.Pi))
		if back/4 == 50 {
			visitors += 60
		}
		for i := range visitors {
			events = append(events, stack.Event{SiteID: uint64(s.id), Timestamp: at.Add(time.Duration(i) * time.Second), Hostname: s.domain, ReferrerSource: "Hacker News"})
		}
		if back%16 == 0 {
			events = append(events, stack.Event{SiteID: uint64(s.id), Timestamp: at, Hostname: s.domain, Name: "Signup"})
		}
	}
	if err := stack.InsertEvents(h.t.Context(), h.events, events); err != nil {
		h.t.Fatal(err)
	}
}

// hook adds a webhook with plain SQL, with a trigger at 100 visitors.
func (h *house) hook(s site, name, url string) int64 {
	h.t.Helper()
	id := value[int64](h, "insert into plausible_webhooks.webhooks (site_id, name, url) values ($1, $2, $3) returning id", s.id, name, url)
	h.exec("insert into plausible_webhooks.webhook_triggers (webhook_id, type, threshold, notify_recovery) values ($1, 'traffic.spike', 100, true)", id)
	return id
}

// past adds a finished delivery to the log, as the sender leaves it.
func (h *house) past(hook int64, s site, event, status string, ago time.Duration) string {
	h.t.Helper()
	code, problem := 200, ""
	if status == "failed" {
		code, problem = 503, "answered 503 Service Unavailable"
	}
	id := value[string](h, `insert into plausible_webhooks.webhook_deliveries (webhook_id, site_id, event_type, payload, status, attempts, last_status_code, last_error, next_attempt_at, inserted_at, finished_at)
		values ($1, $2, $3, '{"type":"' || $3 || '","data":{"current_visitors":132}}', $4, 1, $5, nullif($6, ''), null, $7, $7) returning id::text`,
		hook, s.id, event, status, code, problem, time.Now().Add(-ago))
	h.exec(`insert into plausible_webhooks.webhook_delivery_attempts (delivery_id, attempt, started_at, duration_ms, status_code, error, response_excerpt)
		values ($1, 1, $4, 87, $2, nullif($3, ''), 'upstream says hello')`, id, code, problem, time.Now().Add(-ago))
	return id
}

// lines collects what a process prints.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
