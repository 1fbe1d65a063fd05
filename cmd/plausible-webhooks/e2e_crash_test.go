package main

import (
	"flag"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"syscall"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/faulty"
	"plausible-webhooks/deploy/devstack/stack"
)

var crashSeed = flag.Uint64("crash.seed", 0, "repeat the troubles of an earlier run of TestNothingIsLost; 0: others each time")

// What TestNothingIsLost goes through.
const (
	crashDeliveries = 10_000
	crashWebhooks   = 10
	crashKills      = 20 // Of the sidecar, with SIGKILL.

	// crashPatience is for the next requests after some trouble: a claim of a
	// killed sidecar lapses after 20 s, a statement that hangs is given up after
	// 10 s, and both may come together on a busy machine.
	crashPatience = 90 * time.Second
)

// trouble is something that happens once so many requests have arrived: the
// only clock that is the same on every machine.
type trouble struct {
	after int
	name  string
	do    func()
}

// Whatever is killed, restarted or cut, each delivery is received at least
// once, each request stands in the log, repeated ones are the same, and nothing
// is left pending.
func TestNothingIsLost(t *testing.T) {
	seed := *crashSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat with -crash.seed=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	server := stack.TestPostgresWith(t, stack.PostgresOptions{})
	database, err := server.CreateDatabase(t.Context(), "crashes", stack.V32)
	if err != nil {
		t.Fatal(err)
	}
	received := newLedger(t, rand.New(rand.NewPCG(seed, 1)))
	queue, receivers := newFaultyProxy(t, hostOf(t, database)), newFaultyProxy(t, received.Listener.Addr().String())
	w := newWorld(t, database, "http://127.0.0.1:9/nobody") // Nothing is evaluated here.
	w.environ = append(w.environ, "DATABASE_URL="+through(database, queue)+"&connect_timeout=2",
		"WEBHOOKS_CA_FILE="+received.caFile, "WEBHOOKS_TIMEOUT=2s", "WEBHOOKS_LOG_LEVEL=warn",
		// Receivers fail a lot here; each delivery is to arrive in its round.
		"WEBHOOKS_RETRIES=10", "WEBHOOKS_RETRY_WAIT_MIN=50ms", "WEBHOOKS_RETRY_WAIT_MAX=500ms")
	w.startReady()
	w.exec(`with hooks as (
			insert into plausible_webhooks.webhooks (url) select $1 || n from generate_series(1, $2) n returning id)
		insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload)
		select id, 'goal.completed', format('{"n": %s, "webhook": %s}', n, id) from hooks, generate_series(1, $3) n`,
		"https://"+receivers.Addr()+"/", crashWebhooks, crashDeliveries/crashWebhooks)
	began := time.Now()
	queue.Befall(flaky(rand.New(rand.NewPCG(seed, 2)), 200_000))
	receivers.Befall(flaky(rand.New(rand.NewPCG(seed, 3)), 100_000))

	for _, next := range troubles(random, map[string]int{"kill": crashKills, "restart": 1, "crash": 1, "cut queue": 5, "strand queue": 1, "cut receivers": 5}, map[string]func(){
		"kill": func() {
			if err := syscall.Kill(w.process.PID(), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			<-w.process.Exited()
			w.start()
		},
		"restart": func() {
			if err := server.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		"crash": func() {
			if err := server.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := server.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		"cut queue":     func() { queue.Cut() },
		"strand queue":  func() { queue.Strand() },
		"cut receivers": func() { receivers.Cut() },
	}) {
		select {
		case <-received.reached(next.after):
		case <-w.process.Exited():
			t.Fatalf("the sidecar ended by itself before %s", next.name)
		case <-time.After(crashPatience):
			t.Fatalf("%d requests within %s, want %d before %s", received.total(), crashPatience, next.after, next.name)
		}
		next.do()
	}
	w.until("nothing is pending", crashPatience, func() bool {
		return value[int](w, "select count(*) from plausible_webhooks.webhook_deliveries where status = 'pending'") == 0
	})
	took := time.Since(began)
	if err := w.process.Stop(); err != nil {
		t.Error(err)
	}
	told := received.compare(w)
	t.Logf("%d kills in %s, %d connections to PostgreSQL, %d to receivers; %s",
		crashKills, took.Round(100*time.Millisecond), queue.Accepted(), receivers.Accepted(), told)
}

// troubles draws when what happens, so many of each. The last tenth of the
// deliveries is left for what the last of them breaks.
func troubles(random *rand.Rand, counts map[string]int, do map[string]func()) (all []trouble) {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		names = append(names, slices.Repeat([]string{name}, counts[name])...)
	}
	for _, name := range names {
		all = append(all, trouble{after: 1 + random.IntN(crashDeliveries*9/10), name: name, do: do[name]})
	}
	slices.SortFunc(all, func(a, b trouble) int { return a.after - b.after })
	return all
}

// flaky draws what befalls each connection: half of them nothing.
func flaky(random *rand.Rand, mostBytes int64) func(int) faulty.Fault {
	return func(int) faulty.Fault {
		switch n := random.IntN(100); {
		case n < 20:
			return faulty.Fault{CutDown: 1 + random.Int64N(mostBytes)}
		case n < 40:
			return faulty.Fault{CutUp: 1 + random.Int64N(mostBytes)}
		case n < 45:
			return faulty.Fault{Delay: time.Duration(random.IntN(20)) * time.Millisecond}
		case n < 48:
			return faulty.Fault{Reset: true}
		case n < 50:
			return faulty.Fault{Silent: true}
		default:
			return faulty.Fault{}
		}
	}
}

func newFaultyProxy(t *testing.T, server string) *faulty.Proxy {
	t.Helper()
	proxy, err := faulty.Start(server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	return proxy
}

// hostOf is the host:port of a URL.
func hostOf(t *testing.T, text string) string {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// through is a URL that leads through a proxy to the same server.
func through(address string, proxy *faulty.Proxy) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	u.Host = proxy.Addr()
	return u.String()
}
