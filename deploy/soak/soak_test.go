//go:build soak

package soak

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"plausible-webhooks/config/schema"
	"plausible-webhooks/deploy/devstack/faulty"
	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/deploy/devstack/sidecar"
	"plausible-webhooks/deploy/devstack/stack"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

var (
	soakFor  = flag.Duration("soak.for", 20*time.Minute, "how long the weather lasts")
	soakSeed = flag.Uint64("soak.seed", 0, "repeat the weather of an earlier run; 0: another one each time")
)

func TestMain(m *testing.M) { os.Exit(stack.Main(m)) }

const (
	sites    = 20
	replicas = 2
	// calm is how long what the last storm broke may take to mend: a claim
	// lapses after 20 s, a connection lost without a sign is given up after 15 s,
	// a question after 25 s, and a round waits for seconds between attempts.
	calm = 3 * time.Minute
	// settled is when memory is first looked at: what a process needs it has by then.
	settled = time.Minute
)

// soak is everything around the sidecars.
type soak struct {
	t          *testing.T
	random     *rand.Rand
	postgres   *stack.Postgres
	clickhouse *stack.ClickHouse
	database   string // URL, past the proxy.
	events     string
	toPostgres *faulty.Proxy
	toHooks    *faulty.Proxy
	clouded    atomic.Pointer[http.HandlerFunc] // Answers in ClickHouse's stead; nil: it answers itself.
	hooks      *receiver.Receiver
	binary     string
	environ    []string
	running    [replicas]*sidecar.Process

	writing sync.Mutex     // Held while events are written, or cannot be.
	rows    [sites + 1]int // Completed goals, by site.

	telling sync.Mutex
	storms  map[string]int
}

func TestSoak(t *testing.T) {
	seed := *soakSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("%s of weather; repeat with -soak.seed=%d", *soakFor, seed)
	s := newSoak(t, seed)
	// The weather has several fronts, and they come at once.
	weather, end := context.WithTimeout(t.Context(), *soakFor)
	defer end()
	fronts, ctx := errgroup.WithContext(weather)
	for i, front := range s.fronts() {
		random := rand.New(rand.NewPCG(seed, uint64(i+1)))
		fronts.Go(func() error { return s.rage(ctx, random, front) })
	}
	early := s.stream(ctx)
	s.must(fronts.Wait())
	s.clearUp()
	s.settle(early, s.running[0])
	t.Logf("storms: %v", s.storms)
}

// stream writes events until ctx ends: completed goals all the time, and one
// site after the other spikes. It returns what the first sidecar used once it
// had lived for a while.
func (s *soak) stream(ctx context.Context) (early usage) {
	began := time.Now()
	spikeEvery := *soakFor * 3 / 4 / sites
	beat := time.NewTicker(100 * time.Millisecond)
	defer beat.Stop()
	spiked := 0
	spike := func() {
		spiked++
		s.complete(spiked, spikeThreshold, 0)
	}
	for ctx.Err() == nil {
		s.complete(1+s.random.IntN(sites), 1+s.random.IntN(3), 1)
		if spiked < sites && time.Since(began) > time.Duration(spiked)*spikeEvery {
			spike()
		}
		if early.goroutines == 0 && time.Since(began) > min(settled, *soakFor/3) {
			early = s.usage(s.running[0])
		}
		select {
		case <-beat.C:
		case <-ctx.Done():
		}
	}
	for spiked < sites {
		spike()
	}
	return early
}

// spikeThreshold is what a site spikes at, and all visitors that it has at once.
const spikeThreshold = 5

func newSoak(t *testing.T, seed uint64) *soak {
	t.Helper()
	s := &soak{t: t, random: rand.New(rand.NewPCG(seed, 0)), storms: map[string]int{}}
	s.postgres = stack.TestPostgresWith(t, stack.PostgresOptions{})
	var err error
	s.database, err = s.postgres.CreateDatabase(t.Context(), "soak", stack.V32)
	s.must(err)
	s.clickhouse, err = stack.StartClickHouse(t.Context(), stack.ClickHouseOptions{Profile: stack.ProfileCE})
	s.must(err)
	t.Cleanup(func() { s.must(s.clickhouse.Stop()) })
	s.events, err = s.clickhouse.CreateDatabase(t.Context(), "soak")
	s.must(err)
	s.hooks, err = receiver.Start(receiver.Options{})
	s.must(err)
	t.Cleanup(s.hooks.Stop)
	roots, err := s.hooks.CAFile(t.TempDir())
	s.must(err)

	s.toPostgres, s.toHooks = s.proxy(s.database), s.proxy(s.hooks.URL("/"))
	events, err := url.Parse(s.events)
	s.must(err)
	engine := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: events.Host})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cloud := s.clouded.Load(); cloud != nil {
			(*cloud)(w, r)
			return
		}
		engine.ServeHTTP(w, r)
	}))
	front.Config.ErrorLog = nil
	t.Cleanup(func() {
		front.CloseClientConnections()
		front.Close()
	})

	s.configure()
	s.binary, err = sidecar.Build(t.Context(), t.TempDir())
	s.must(err)
	s.environ = []string{
		"BASE_URL=https://plausible.example.com", "CONFIG_DIR=/nonexistent", "SECRET_KEY_BASE=" + strings.Repeat("0123456789abcdef", 4),
		"DATABASE_URL=" + strings.Replace(s.database, hostOf(s.database), s.toPostgres.Addr(), 1) + "&connect_timeout=2",
		"CLICKHOUSE_DATABASE_URL=" + front.URL + events.Path, "WEBHOOKS_PLAUSIBLE_URL=http://127.0.0.1:9",
		"WEBHOOKS_CA_FILE=" + roots, "WEBHOOKS_ALLOWED_TARGETS=127.0.0.0/8", "WEBHOOKS_POLL_INTERVAL=1s", "WEBHOOKS_TIMEOUT=2s", "WEBHOOKS_LOG_LEVEL=error",
		"WEBHOOKS_RETRIES=10", "WEBHOOKS_RETRY_WAIT_MIN=50ms", "WEBHOOKS_RETRY_WAIT_MAX=1s", "WEBHOOKS_REDELIVERY=5s,5s,5s,5s,5s",
	}
	for i := range s.running {
		s.must(s.start(i))
	}
	for _, p := range s.running {
		s.ready(p)
	}
	return s
}

// must ends the test, so it is for its own goroutine only.
func (s *soak) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *soak) proxy(to string) *faulty.Proxy {
	s.t.Helper()
	proxy, err := faulty.Start(hostOf(to))
	s.must(err)
	s.t.Cleanup(proxy.Stop)
	return proxy
}

func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}

// configure makes sites that are old, each with a goal, a spike and a drop that
// never is one, and a webhook for all of them.
func (s *soak) configure() {
	s.t.Helper()
	conn := s.connect()
	defer conn.Close(context.Background())
	_, err := schema.Migrate(s.t.Context(), conn)
	s.must(err)
	for _, sql := range []string{
		`insert into sites (id, domain, timezone, inserted_at, updated_at, native_stats_start_at)
			select n, 'site' || n || '.example', 'Etc/UTC', now(), now(), '2020-01-01' from generate_series(1, $1::int) n where $2 <> ''`,
		`insert into goals (id, site_id, event_name, display_name, inserted_at, updated_at)
			select n, n, 'Signup', 'Signup', now() - interval '1 day', now() - interval '1 day' from generate_series(1, $1::int) n where $2 <> ''`,
		`insert into plausible_webhooks.webhooks (id, site_id, url) overriding system value
			select n, n, 'https://' || $2 || '/hook/' || n from generate_series(1, $1::int) n`,
		`insert into plausible_webhooks.webhook_triggers (webhook_id, type, threshold, inserted_at)
			select n, kind, threshold, now() - interval '1 day' from generate_series(1, $1::int) n,
			(values ('goal.completed', null), ('traffic.spike', 5), ('traffic.drop', 1)) as t (kind, threshold) where $2 <> ''`,
	} {
		_, err := conn.Exec(s.t.Context(), sql, sites, s.toHooks.Addr())
		s.must(err)
	}
	past := make([]stack.Event, sites)
	for i := range past {
		past[i] = stack.Event{SiteID: uint64(i + 1), Timestamp: time.Now().Add(-13 * time.Hour)}
	}
	s.must(stack.InsertEvents(s.t.Context(), s.events, past))
	for site := 1; site <= sites; site++ {
		s.complete(site, 1, 1)
	}
}

// complete writes completed goals, of one visitor or of as many.
func (s *soak) complete(site, n int, visitor uint64) {
	s.t.Helper()
	events := make([]stack.Event, n)
	for i := range events {
		events[i] = stack.Event{SiteID: uint64(site), Name: "Signup", UserID: visitor}
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	s.must(stack.InsertEvents(s.t.Context(), s.events, events))
	s.rows[site] += n
}

func (s *soak) connect() *pgx.Conn {
	s.t.Helper()
	conn, err := pgx.Connect(s.t.Context(), s.database)
	s.must(err)
	return conn
}

// exec runs texts of statements, each text by itself.
func (s *soak) exec(texts ...string) (err error) {
	conn, err := pgx.Connect(s.t.Context(), s.database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(s.t.Context())) }()
	for _, sql := range texts {
		if _, err := conn.Exec(s.t.Context(), sql); err != nil {
			return err
		}
	}
	return nil
}

func (s *soak) start(i int) error {
	p, err := sidecar.Start(s.binary, s.environ, os.Stderr)
	if err != nil {
		return err
	}
	s.running[i] = p
	s.t.Cleanup(func() {
		select {
		case <-p.Exited():
		default:
			if err := p.Stop(); err != nil {
				s.t.Error(err)
			}
		}
	})
	return nil
}

func (s *soak) ready(p *sidecar.Process) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), calm)
	defer cancel()
	s.must(p.Ready(ctx))
}

func (s *soak) signal(signal syscall.Signal, processes ...*sidecar.Process) (err error) {
	for _, p := range processes {
		err = errors.Join(err, syscall.Kill(p.PID(), signal))
	}
	return err
}

// tally is what a path has heard, each delivery once, however often it came.
type tally struct{ conversions, spikes, others int }

func (s *soak) tallies() (all [sites + 1]tally) {
	s.t.Helper()
	seen := map[string]bool{}
	for _, request := range s.hooks.Requests("") {
		id := request.Header.Get("webhook-id")
		if seen[id] {
			continue
		}
		seen[id] = true
		var payload struct {
			Type string
			Data struct {
				Site        struct{ ID int }
				Conversions int
			}
		}
		s.must(json.Unmarshal(request.Body, &payload))
		of := &all[payload.Data.Site.ID]
		switch payload.Type {
		case "goal.completed":
			of.conversions += payload.Data.Conversions
		case "traffic.spike":
			of.spikes++
		default:
			of.others++
		}
	}
	return all
}

// settle waits until everything is told, and compares.
func (s *soak) settle(early usage, steady *sidecar.Process) {
	s.t.Helper()
	want := [sites + 1]tally{}
	for site := 1; site <= sites; site++ {
		want[site] = tally{conversions: s.rows[site], spikes: 1}
	}
	deadline := time.Now().Add(calm)
	again := time.NewTicker(time.Second)
	defer again.Stop()
	got := s.tallies()
	for ; got != want && time.Now().Before(deadline); got = s.tallies() {
		<-again.C
	}
	total := 0
	for site := 1; site <= sites; site++ {
		total += s.rows[site]
		if got[site] != want[site] {
			s.t.Errorf("site %d was told %+v, want %+v", site, got[site], want[site])
		}
	}
	s.until("nothing is pending", func() bool {
		conn := s.connect()
		defer conn.Close(context.Background())
		var pending, doubled int
		s.must(conn.QueryRow(s.t.Context(), `select count(*) filter (where status = 'pending'), count(*) - count(distinct (webhook_id, event_key))
			from plausible_webhooks.webhook_deliveries`).Scan(&pending, &doubled))
		if doubled > 0 {
			s.t.Errorf("%d firings were written twice", doubled)
		}
		return pending == 0
	})
	s.t.Logf("%d conversions told exactly", total)
	// Connections that the last storm left idle are closed within the calm, and
	// what a collector has not swept yet differs by this much.
	var late usage
	s.until("the first sidecar is no larger than it was", func() bool {
		late = s.usage(steady)
		return late.resident < early.resident*3/2+8<<20 && late.goroutines < early.goroutines+10
	})
	s.t.Logf("%s at first, %s at the end", early, late)
}

func (s *soak) until(what string, yes func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(calm)
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for !yes() {
		if <-again.C; time.Now().After(deadline) {
			s.t.Fatalf("%s: not within %s; the first sidecar has %s", what, calm, s.usage(s.running[0]))
		}
	}
}
