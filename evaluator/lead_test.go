package evaluator

import (
	"context"
	"errors"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/faulty"
	"plausible-webhooks/deploy/devstack/stack"

	"github.com/jackc/pgx/v5/pgxpool"
)

// promisedTakeover is how soon another process evaluates, whatever became of
// the leader.
const promisedTakeover = 10 * time.Second

// soonTakeover is "at once", on a busy machine.
const soonTakeover = 3 * time.Second

// contender is one of several processes that could evaluate.
type contender struct {
	*Evaluator
	proxy *faulty.Proxy // To PostgreSQL.
	stop  func()
}

// contenders start one after the other; the first leads.
func contenders(t *testing.T, w *world, n int) []*contender {
	t.Helper()
	var all []*contender
	for range n {
		config := w.db.Config().Copy()
		proxy, err := faulty.Start(config.ConnConfig.Host + ":" + strconv.Itoa(int(config.ConnConfig.Port)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(proxy.Stop)
		address := netip.MustParseAddrPort(proxy.Addr())
		config.ConnConfig.Host, config.ConnConfig.Port = address.Addr().String(), address.Port()
		config.ConnConfig.ConnectTimeout = time.Second
		config.PingTimeout = time.Second
		options := w.options
		options.Clock, options.PollInterval = nil, time.Second
		if options.DB, err = pgxpool.NewWithConfig(t.Context(), config); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(options.DB.Close)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		c := &contender{Evaluator: New(options), proxy: proxy}
		go func() { ended <- c.Run(ctx) }()
		c.stop = func() {
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("Run: %v, want the cause of its end", err)
			}
			ended <- context.Canceled // For another call.
		}
		t.Cleanup(c.stop)
		all = append(all, c)
		if len(all) == 1 {
			c.leads(t, promisedTakeover)
		}
	}
	return all
}

// leads waits until a process leads and has evaluated, and returns how long
// that took.
func (c *contender) leads(t *testing.T, within time.Duration) time.Duration {
	t.Helper()
	return oneLeads(t, []*contender{c}, within)
}

// oneLeads is leads of whichever is the first. An evaluation that was about to
// end before does not count.
func oneLeads(t *testing.T, all []*contender, within time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	before := make([]int64, len(all))
	for i, c := range all {
		before[i] = c.Counters().Ticks
	}
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		for i, c := range all {
			if c.Status().Leading && c.Counters().Ticks > before[i]+1 {
				return time.Since(began)
			}
		}
		if <-again.C; time.Since(began) > within {
			t.Fatalf("no take-over within %s", within)
		}
	}
}

func TestAStopHandsTheLeadOverAtOnce(t *testing.T) {
	w := newWorld(t)
	w.site(1)
	all := contenders(t, w, 2)
	all[0].stop()
	took := all[1].leads(t, soonTakeover)
	t.Logf("taken over %s after the stop", took.Round(time.Millisecond))
}

// The leader's host vanishes, or a firewall forgets its connections: nothing
// ends them, and the server must find out by itself. What was under way is
// cut, too.
func TestALeaderThatVanishesIsReplaced(t *testing.T) {
	for name, vanish := range map[string]func(*faulty.Proxy){
		"its packets are dropped":        (*faulty.Proxy).Freeze,
		"its connections are forgotten":  func(p *faulty.Proxy) { p.Strand() },
		"its connections break, reset":   func(p *faulty.Proxy) { p.Refuse(); p.Cut() },
		"new ones are never answered to": func(p *faulty.Proxy) { p.Befall(func(int) faulty.Fault { return faulty.Fault{Silent: true} }); p.Cut() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // It waits most of the time.
			w := newWorldOn(t, stack.TestEvents(t))
			w.site(1)
			all := contenders(t, w, 2)
			defer all[0].proxy.Cut() // Or the driver tries for long to cancel what was stranded.
			vanish(all[0].proxy)
			took := oneLeads(t, all, promisedTakeover) // It may be the same one, by new connections.
			t.Logf("taken over after %s", took.Round(time.Millisecond))
			all[0].proxy.Thaw()
			if err := all[0].proxy.Accept(); err != nil {
				t.Fatal(err)
			}
			all[0].proxy.Befall(nil)
			all[1].stop()
			all[0].leads(t, 2*promisedTakeover) // It may have to find out that its own connections are lost.
		})
	}
}

// A process that stands by waits without a transaction: one that is open for
// hours would keep vacuum from cleaning up, and Plausible's migrations from
// building an index concurrently.
func TestStandingByHoldsNoSnapshot(t *testing.T) {
	w := newWorld(t)
	w.site(1)
	all := contenders(t, w, 2)
	defer all[0].leads(t, promisedTakeover)
	for range 20 {
		var longest float64
		err := w.db.QueryRow(t.Context(), `select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0)::float8
			from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`).Scan(&longest)
		if err != nil {
			t.Fatal(err)
		}
		if longest > 0.5 {
			t.Errorf("a transaction is open for %.1f s", longest)
		}
	}
}
