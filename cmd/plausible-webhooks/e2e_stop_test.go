package main

import (
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/faulty"
	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/deploy/devstack/stack"
)

// A container runtime waits for 15 s and then kills, which process.Stop takes
// for an error, as it does an exit status other than 0.

// Neither database answers any more when the end is asked for, and connections
// do not break: at once, or after statements have hung for a while. A receiver
// keeps an attempt waiting besides.
func TestStopsWhileDatabasesKeepSilent(t *testing.T) {
	t.Parallel() // It waits most of the time.
	for name, felt := range map[string]func(*world) bool{
		"unnoticed": func(*world) bool { return true },
		"noticed":   func(w *world) bool { return w.metric("plausible_webhooks_evaluation_leading") == 0 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database, events := stack.TestDatabase(t, stack.V32), stack.TestEvents(t)
			postgres, clickhouse := newFaultyProxy(t, hostOf(t, database)), newFaultyProxy(t, hostOf(t, events))
			w := newWorld(t, database, events)
			w.environ = append(w.environ, "DATABASE_URL="+through(database, postgres), "CLICKHOUSE_DATABASE_URL="+through(events, clickhouse),
				"WEBHOOKS_POLL_INTERVAL=1s", "WEBHOOKS_TIMEOUT=30s")
			w.addSite(1, "example.com")
			w.startReady()
			w.following()
			w.receiver.Behave("/hanging", receiver.Must("hang"))
			w.enqueue(w.addHook(1, "/hanging", ""))
			w.received("/hanging", 1, patience)
			w.until("evaluations", patience, w.since("plausible_webhooks_evaluation_ticks_total", 1))
			postgres.Freeze()
			clickhouse.Freeze()
			w.until("the silence is felt", stormPatience, func() bool { return felt(w) })
			w.stopsWithin(t, 15*time.Second)
		})
	}
}

// While it waits for a database that was never there, there is nothing to
// finish.
func TestStopsAtOnceWhileItWaitsForPostgres(t *testing.T) {
	t.Parallel() // It waits most of the time.
	for name, befall := range map[string]func(*faulty.Proxy){
		"nobody listens":      (*faulty.Proxy).Refuse,
		"packets are dropped": (*faulty.Proxy).Freeze,
		"it never answers":    func(p *faulty.Proxy) { p.Befall(func(int) faulty.Fault { return faulty.Fault{Silent: true} }) },
		// A session begins, and tables are never made in it.
		"it answers slowly": func(p *faulty.Proxy) { p.Befall(func(int) faulty.Fault { return faulty.Fault{Delay: time.Second} }) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database := stack.TestDatabase(t, stack.V32)
			proxy := newFaultyProxy(t, hostOf(t, database))
			befall(proxy)
			w := newWorld(t, through(database, proxy), "http://127.0.0.1:9/nobody")
			w.start()
			w.until("it tries to connect", patience, func() bool { return proxy.Accepted() > 0 || w.log.count("not ready yet") > 0 })
			if w.readiness().Ready {
				t.Fatal("it is ready without a database")
			}
			w.stopsWithin(t, 3*time.Second)
		})
	}
}

// stopsWithin holds that the process ends by itself, with exit status 0.
func (w *world) stopsWithin(t *testing.T, limit time.Duration) {
	t.Helper()
	asked := time.Now()
	if err := w.process.Stop(); err != nil {
		t.Error(err)
	}
	took := time.Since(asked)
	t.Logf("stopped after %s", took.Round(time.Millisecond))
	if took > limit {
		t.Errorf("stopped after %s, want at most %s", took, limit)
	}
}
