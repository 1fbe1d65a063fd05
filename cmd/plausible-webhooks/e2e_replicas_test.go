package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"plausible-webhooks/config/schema"
	process "plausible-webhooks/deploy/devstack/sidecar"
	"plausible-webhooks/deploy/devstack/stack"
)

// takeoverPromised is how soon another sidecar evaluates.
const takeoverPromised = 10 * time.Second

// leads asks one of several sidecars whether it evaluates.
func leads(p *process.Process) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Admin+"/readyz", nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false // It was killed, or is stopped.
	}
	defer func() { _ = answer.Body.Close() }()
	var r readiness
	return json.NewDecoder(answer.Body).Decode(&r) == nil && r.Leading
}

// replicas are several sidecars beside one Plausible.
type replicas struct {
	*weather
	all []*process.Process
}

func newReplicas(t *testing.T) *replicas {
	w := newWeather(t, stack.TestDatabase(t, stack.V32), stack.TestEvents(t))
	r := &replicas{weather: w, all: []*process.Process{w.process}}
	r.join()
	return r
}

// join starts another one.
func (r *replicas) join() {
	r.t.Helper()
	r.startReady()
	r.all = append(r.all, r.process)
}

// leader waits until one leads, and takes it out of the list.
func (r *replicas) leader() (leader *process.Process) {
	r.t.Helper()
	r.until("one of several leads", takeoverPromised, func() bool {
		for i, p := range r.all {
			if leads(p) {
				leader = p
				r.all = append(r.all[:i:i], r.all[i+1:]...)
				return true
			}
		}
		return false
	})
	return leader
}

// stream completes a goal again and again, one row at a time, until it is
// stopped.
func (r *replicas) stream(p *patch) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var rows atomic.Int64
	var streaming sync.WaitGroup
	var failed error
	streaming.Go(func() {
		next := time.NewTicker(50 * time.Millisecond)
		defer next.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-next.C:
			}
			// One visitor: the patch's spike is not to be reached.
			row := stack.Event{SiteID: uint64(p.site), Name: "Signup", UserID: 1}
			if failed = stack.InsertEvents(context.WithoutCancel(ctx), r.events, []stack.Event{row}); failed != nil {
				return
			}
			rows.Add(1)
		}
	})
	return func() {
		cancel()
		streaming.Wait()
		if failed != nil {
			r.t.Error(failed)
		}
		p.completed += int(rows.Load())
	}
}

// settles waits until everything is told, and holds that it is exact.
func (r *replicas) settles() {
	r.t.Helper()
	r.until("everything is told", stormPatience, func() bool {
		for _, p := range r.patches {
			if now := r.tally(p.path); now.conversions < p.completed || now.spikes == 0 {
				return false
			}
		}
		return true
	})
	r.holds()
	if !value[bool](r.world, "select count(*) = count(distinct (webhook_id, event_key)) from plausible_webhooks.webhook_deliveries") {
		r.t.Error("a firing was written twice")
	}
}

// Two sidecars, and the one that evaluates is killed ten times under a stream
// of events: the sums of conversions are exact, and each spike is told once.
func TestTheLeaderIsKilledTenTimes(t *testing.T) {
	t.Parallel() // It waits most of the time.
	const kills = 10
	r := newReplicas(t)
	streamed := r.newPatch()
	stop := r.stream(streamed)
	var slowest time.Duration
	for range kills {
		leader := r.leader()
		p := r.newPatch()
		r.complete(p, patchThreshold)
		<-time.After(rand.N(time.Second)) // Anywhere in a tick, or between two.
		r.signal(leader, syscall.SIGKILL)
		killed := time.Now()
		<-leader.Exited()
		r.until("another leads", takeoverPromised, func() bool { return leads(r.all[0]) })
		slowest = max(slowest, time.Since(killed))
		r.join()
	}
	stop()
	r.complete(streamed, patchThreshold)
	r.settles()
	t.Logf("%d kills, %d conversions in the stream, taken over within %s", kills, streamed.completed, slowest.Round(time.Millisecond))
}

// The sidecar that evaluates is stopped for longer than its lead and its
// claims last, as when a machine sleeps. The other takes over; resumed, the
// first tells nothing again.
func TestAPausedLeaderIsReplaced(t *testing.T) {
	t.Parallel() // It waits most of the time.
	// Claims last 20 s, the lead 6 s.
	const pause = 25 * time.Second
	r := newReplicas(t)
	streamed := r.newPatch()
	stop := r.stream(streamed)
	paused := r.leader()
	r.complete(r.newPatch(), patchThreshold)
	r.signal(paused, syscall.SIGSTOP)
	at := time.Now()
	t.Cleanup(func() {
		select {
		case <-paused.Exited():
		default:
			r.signal(paused, syscall.SIGCONT)
		}
	})
	r.until("the other leads", takeoverPromised, func() bool { return leads(r.all[0]) })
	took := time.Since(at)
	r.complete(r.newPatch(), patchThreshold)
	<-time.After(time.Until(at.Add(pause)))
	r.signal(paused, syscall.SIGCONT)
	r.until("the first is ready again", stormPatience, func() bool { return paused.Ready(t.Context()) == nil })
	if err := r.all[0].Stop(); err != nil {
		t.Error(err)
	}
	r.until("it leads once more", takeoverPromised, func() bool { return leads(paused) })
	stop()
	r.complete(streamed, patchThreshold)
	r.settles()
	t.Logf("taken over %s after the pause began", took.Round(time.Millisecond))
}

// While sidecars are replaced one by one, older ones meet the tables of a newer
// one, and go on with them: those that run, and those that start.
func TestOlderSidecarsGoOnWithNewerTables(t *testing.T) {
	t.Parallel() // It waits most of the time.
	r := newReplicas(t)
	streamed := r.newPatch()
	stop := r.stream(streamed)
	r.complete(r.newPatch(), patchThreshold)
	// What migrations do: only add, or allow more than before.
	r.exec(`set lock_timeout = '2s';
		alter table plausible_webhooks.webhooks add column colour text not null default 'green';
		alter table plausible_webhooks.webhook_triggers add column colour text not null default 'green';
		alter table plausible_webhooks.webhook_deliveries add column colour text;
		alter table plausible_webhooks.webhook_delivery_attempts add column colour text;
		alter table plausible_webhooks.trigger_states add column colour text;
		alter table plausible_webhooks.evaluation_progress add column colour text;
		create table plausible_webhooks.colours (name text primary key)`)
	r.exec(fmt.Sprintf("update plausible_webhooks.schema_version set version = %d", schema.Wanted()+1))
	r.complete(r.newPatch(), patchThreshold)
	if err := r.leader().Stop(); err != nil {
		t.Error(err)
	}
	r.join()
	r.until("it says that the tables are newer", patience, func() bool { return r.log.count("tables are newer than this program") == 1 })
	r.complete(r.newPatch(), patchThreshold)
	stop()
	r.complete(streamed, patchThreshold)
	r.settles()
}
