package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/stack"

	"github.com/jackc/pgx/v5"
)

// weather is a sidecar whose surroundings fail one after the other. Each storm
// has a site of its own; all are looked at again at the end.
type weather struct {
	*world
	patches []*patch
}

// patch is a site of one storm: a goal that is counted, a spike that comes
// while the storm lasts, and a drop that never is one, unless somebody takes no
// answer for no visitors.
type patch struct {
	site      int64
	path      string
	completed int // Rows of the goal so far, and so the conversions to be told.
}

// patchThreshold is the spike's: reached by the visitors that come before and
// during a storm, not by those before alone.
const patchThreshold = 4

// stormPatience is for what follows a storm: a claim whose sender could not
// write lapses after 20 s, a connection that is lost without a sign is given up
// after 15 s, and both come together on a busy machine.
const stormPatience = 90 * time.Second

func newWeather(t *testing.T, database, events string, environ ...string) *weather {
	t.Helper()
	return newWorld(t, database, events).weather(environ...)
}

// weather starts the sidecar of a world for storms.
func (w *world) weather(environ ...string) *weather {
	w.t.Helper()
	w.environ = append(append(w.environ, "WEBHOOKS_POLL_INTERVAL=1s", "WEBHOOKS_RETRIES=10"), environ...)
	w.addSite(1, "bystander.example")
	w.startReady()
	w.following()
	return &weather{world: w}
}

func (w *weather) newPatch() *patch {
	w.t.Helper()
	n := int64(len(w.patches)) + 100
	p := &patch{site: n, path: fmt.Sprintf("/patch%d", n)}
	w.patches = append(w.patches, p)
	w.addSite(n, fmt.Sprintf("patch%d.example", n))
	w.exec("insert into public.goals (id, site_id, event_name, display_name, inserted_at, updated_at) values ($1, $1, 'Signup', 'Signup', "+old+", "+old+")", n)
	w.happen(p, "pageview", 1, time.Now().Add(-13*time.Hour)) // Lively enough to be able to drop.
	w.complete(p, 2)
	hook := w.addHook(n, p.path, "")
	w.exec(`insert into plausible_webhooks.webhook_triggers (webhook_id, type, threshold, inserted_at)
		select $1, kind, threshold, `+old+` from (values ('goal.completed', null), ('traffic.spike', $2::int), ('traffic.drop', 1)) as t (kind, threshold)`, hook, patchThreshold)
	return p
}

// complete writes completed goals of so many new visitors.
func (w *weather) complete(p *patch, n int) {
	w.t.Helper()
	w.happen(p, "Signup", n, time.Now())
	p.completed += n
}

func (w *weather) happen(p *patch, name string, n int, at time.Time) {
	w.t.Helper()
	events := make([]stack.Event, n)
	for i := range events {
		events[i] = stack.Event{SiteID: uint64(p.site), Name: name, Timestamp: at}
	}
	if err := stack.InsertEvents(w.t.Context(), w.events, events); err != nil {
		w.t.Fatal(err)
	}
}

// tally is what a path has heard, each delivery once, however often it came.
type tally struct{ conversions, spikes, others int }

func (w *world) tally(path string) (all tally) {
	w.t.Helper()
	seen := map[string]bool{}
	for _, request := range w.receiver.Requests(path) {
		id := request.Header.Get("webhook-id")
		if seen[id] {
			continue
		}
		seen[id] = true
		var payload struct {
			Type string
			Data struct{ Conversions int }
		}
		if err := json.Unmarshal(request.Body, &payload); err != nil {
			w.t.Fatal(err)
		}
		switch payload.Type {
		case "goal.completed":
			all.conversions += payload.Data.Conversions
		case "traffic.spike":
			all.spikes++
		default:
			all.others++
		}
	}
	return all
}

// storm is one kind of trouble.
type storm struct {
	name    string
	begin   func()
	noticed func() bool // Asked until it holds: a storm that nobody feels shows nothing.
	end     func()
}

// pass goes through one storm, and holds that everything is told once
// afterwards, without a hand.
func (w *weather) pass(s storm) {
	outer := w.t
	defer func() {
		w.t = outer
		if outer.Failed() {
			outer.FailNow() // The next ones would fail for the same reason.
		}
	}()
	outer.Run(s.name, func(t *testing.T) {
		w.t = t
		p := w.newPatch()
		w.until("what came before the storm is told", stormPatience, func() bool { return w.tally(p.path).conversions == p.completed })
		began := time.Now()
		s.begin()
		w.complete(p, 3)
		w.until("the storm is felt", stormPatience, s.noticed)
		felt := time.Now()
		s.end()
		w.complete(p, 2)
		w.until("everything is told", stormPatience, func() bool {
			now := w.tally(p.path)
			return now.conversions >= p.completed && now.spikes > 0
		})
		t.Logf("felt within %s, everything told %s later", felt.Sub(began).Round(time.Millisecond), time.Since(felt).Round(time.Millisecond))
		w.holds()
	})
}

// holds that every site's conversions are exact, and that each spiked once.
func (w *weather) holds() {
	w.t.Helper()
	for _, p := range w.patches {
		if got, want := w.tally(p.path), (tally{conversions: p.completed, spikes: 1}); got != want {
			w.t.Errorf("site %d heard %+v, want %+v", p.site, got, want)
		}
	}
}

// since is a condition: a counter of the sidecar has grown by so much since now.
func (w *world) since(metric string, by float64) func() bool {
	w.t.Helper()
	before := w.metric(metric)
	return func() bool { return w.metric(metric) >= before+by }
}

// ledNoMore is a condition: the lead of evaluation is lost, and nobody keeps
// Plausible from its tables meanwhile.
func (w *weather) ledNoMore() bool {
	w.leavesPlausibleAlone()
	return w.metric("plausible_webhooks_evaluation_leading") == 0
}

// leavesPlausibleAlone holds that a migration of Plausible gets at its tables
// almost at once.
func (w *world) leavesPlausibleAlone() {
	w.t.Helper()
	w.exec("begin; set local lock_timeout = '3s'; lock table public.sites, public.goals in access exclusive mode; commit")
}

// everyoneOut ends all sessions of the sidecar, so that new ones meet what
// holds for new ones.
const everyoneOut = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'plausible-webhooks'`

// Whatever befalls PostgreSQL: nothing is lost, nothing is told twice, nothing
// is told that was not.
func TestWeatherOfPostgres(t *testing.T) {
	t.Parallel() // It waits most of the time.
	server := stack.TestPostgresWith(t, stack.PostgresOptions{Settings: map[string]string{"max_connections": "30", "max_replication_slots": "1"}})
	database, err := server.CreateDatabase(t.Context(), "weather", stack.V30)
	if err != nil {
		t.Fatal(err)
	}
	proxy := newFaultyProxy(t, hostOf(t, database))
	w := newWeather(t, database, stack.TestEvents(t), "DATABASE_URL="+through(database, proxy)+"&connect_timeout=2")
	failed := "plausible_webhooks_evaluation_failed_total"
	var felt func() bool
	var hogs []*pgx.Conn
	var taken bool // The only slot, by us.
	release := func() {
		for _, hog := range hogs {
			_ = hog.Close(context.Background())
		}
		hogs = nil
	}
	t.Cleanup(release)

	for _, s := range []storm{
		{"restarted", func() { check(t, server.Restart(t.Context())) }, func() bool { return w.log.count("administrator command") > 0 }, func() {}},
		{"crashed and away", func() { check(t, server.Kill()) }, func() bool { return !w.readiness().Config.Healthy }, func() { check(t, server.Restart(t.Context())) }},
		{"connection limit reached", func() {}, func() bool {
			// Whoever is thrown out finds his place taken, sooner or later. The log tells
			// of the first reason alone.
			if hog, err := pgx.Connect(t.Context(), database); err == nil {
				hogs = append(hogs, hog)
			}
			if len(hogs) > 0 {
				_, _ = hogs[0].Exec(t.Context(), everyoneOut)
			}
			return strings.Contains(w.readiness().Config.Reason, "SQLSTATE 53300")
		}, release},
		{"slots exhausted", func() { taken = false }, func() bool {
			if !taken { // Thrown out once more, it would only wait longer and longer.
				w.exec("select pg_terminate_backend(pid) from pg_stat_replication")
				w.db(func(conn *pgx.Conn) error {
					_, err := conn.Exec(t.Context(), "select pg_create_physical_replication_slot('hog')")
					taken = err == nil
					return nil
				})
			}
			return w.readiness().Config.Mode == "poll" && w.log.count("max_replication_slots") > 0
		}, func() { w.exec("select pg_drop_replication_slot('hog')") }},
		// A trigger stands in for the full disk: no statement of ours can write, and
		// it says so with PostgreSQL's own code. TestWeatherOfAFullDisk fills a real one,
		// where that can be had.
		{"disk full", func() {
			felt = w.since(failed, 2)
			w.exec(`create function public.disk_full() returns trigger language plpgsql as
				$$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$`)
			for _, table := range []string{"trigger_states", "evaluation_progress", "webhook_deliveries", "webhook_delivery_attempts"} {
				w.exec("create trigger disk_full before insert or update on plausible_webhooks." + table + " for each statement execute function public.disk_full()")
			}
		}, func() bool { return felt() }, func() { w.exec("drop function public.disk_full() cascade") }},
		{"read only", func() {
			felt = w.since(failed, 2)
			onPostgres(t, server, "alter database weather set default_transaction_read_only = on")
			onPostgres(t, server, everyoneOut)
		}, func() bool { return felt() }, func() {
			onPostgres(t, server, "alter database weather set default_transaction_read_only = off")
			onPostgres(t, server, everyoneOut)
		}},
		// Limits that suit Plausible's statements, and none of ours.
		{"time limits of the role", func() {
			w.exec(`alter role postgres in database weather set statement_timeout = '2ms';
				alter role postgres in database weather set lock_timeout = '1ms';
				alter role postgres in database weather set idle_session_timeout = '50ms';
				alter role postgres in database weather set idle_in_transaction_session_timeout = '1ms'`)
			onPostgres(t, server, everyoneOut)
			felt = w.since("plausible_webhooks_evaluation_ticks_total", 4)
		}, func() bool { return felt() }, func() { onPostgres(t, server, "alter role postgres in database weather reset all") }},
		{"packets dropped", proxy.Freeze, w.ledNoMore, proxy.Thaw},
		{"connections forgotten", func() { proxy.Strand() }, w.ledNoMore, proxy.Thaw},
		{"Plausible upgraded", func() {
			felt = w.since("plausible_webhooks_evaluation_ticks_total", 2)
			w.db(func(conn *pgx.Conn) error {
				if _, err := conn.Exec(t.Context(), "set lock_timeout = '1s'"); err != nil {
					return err
				}
				return stack.UpgradePlausible(t.Context(), conn, stack.V32)
			})
		}, func() bool { return felt() }, func() {
			w.exec("set lock_timeout = '1s'; alter table goals drop column custom_props")
			w.exec("set lock_timeout = '1s'; alter table goals add column custom_props jsonb not null default '{}'")
		}},
		{"a table of Plausible dropped and made again", func() {
			w.exec(`set lock_timeout = '1s'; create table goals_copy (like goals including all); insert into goals_copy overriding system value select * from goals`)
			w.exec(`set lock_timeout = '1s'; drop table goals cascade; alter table goals_copy rename to goals`)
			felt = w.since("plausible_webhooks_evaluation_ticks_total", 2)
		}, func() bool { return felt() }, func() {}},
	} {
		w.pass(s)
	}
	w.holds()
	if err := w.process.Stop(); err != nil {
		t.Error(err)
	}
}

// onPostgres runs a statement in the database that no test is in.
func onPostgres(t *testing.T, server *stack.Postgres, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.URL(""))
	check(t, err)
	_, err = conn.Exec(t.Context(), sql)
	check(t, err)
	check(t, conn.Close(t.Context()))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
