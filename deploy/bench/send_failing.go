package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	failingDeliveries = 360
	failingAttempts   = 4 // Of each: one and three retries.

	waitShare = 0.10                  // How far a wait may be off,
	waitSlack = 50 * time.Millisecond // or so much, whichever is more.

	goodEvery    = 50 * time.Millisecond
	goodPromised = 500 * time.Millisecond // Half of the shortest wait: no good delivery sat one out.
)

var retryWaits = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}

// measureFailing sends to one webhook whose receiver fails the deliveries that
// say so and accepts the good ones among them.
func measureFailing(ctx context.Context, b *sendBed) (_ []promise, err error) {
	w, err := b.newWorld(ctx, "failing_db")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	hooks, err := w.webhooks(ctx, "/mixed/", 1)
	if err != nil {
		return nil, err
	}
	if err := w.enqueue(ctx, hooks, failingDeliveries, `{`+failMark+`}`); err != nil {
		return nil, err
	}
	var mu sync.Mutex
	came := map[string][]time.Time{}
	b.receiver.watch(func(r receipt) {
		mu.Lock()
		defer mu.Unlock()
		came[r.id] = append(came[r.id], r.at)
	})
	defer b.receiver.watch(nil)
	stop, err := w.run(ctx, nil)
	if err != nil {
		return nil, err
	}
	running := true
	defer func() {
		if running {
			err = errors.Join(err, stop())
		}
	}()
	b.tell("%d deliveries that fail, and then a good one each %s", failingDeliveries, goodEvery)
	// The good ones are to meet the waits, not the queue of first attempts.
	if err := w.until(ctx, failingDeliveries, `select count(*) from plausible_webhooks.webhook_deliveries where attempts > 0`); err != nil {
		return nil, err
	}
	good, err := w.goodOnes(ctx, hooks[0])
	if err != nil {
		return nil, err
	}
	if err := w.until(ctx, 0, `select count(*) from plausible_webhooks.webhook_deliveries where status = 'pending'`); err != nil {
		return nil, err
	}
	running = false
	if err := stop(); err != nil {
		return nil, err
	}
	var attempts, whole, failed int
	if err := w.outside.QueryRow(ctx, `select sum(attempts), count(*) filter (where attempts = $1), count(*) filter (where status = 'failed')
		from plausible_webhooks.webhook_deliveries where payload like $2`, failingAttempts, `{`+failMark+`}`).Scan(&attempts, &whole, &failed); err != nil {
		return nil, fmt.Errorf("count attempts: %w", err)
	}
	mu.Lock()
	defer mu.Unlock()
	return failingPromises(attempts, whole, failed, came, good), nil
}

// goodOnes queues good deliveries until those that fail are through, and
// returns when each was committed.
func (w *world) goodOnes(ctx context.Context, webhook int64) (map[string]time.Time, error) {
	good := map[string]time.Time{}
	tick := time.NewTicker(goodEvery)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; {
		id, committed, err := w.enqueueOne(ctx, webhook, `{"fail": false}`)
		if err != nil {
			return nil, err
		}
		good[id] = committed
		var left int
		if err := w.outside.QueryRow(ctx, `select count(*) from plausible_webhooks.webhook_deliveries
			where status = 'pending' and payload like $1`, `{`+failMark+`}`).Scan(&left); err != nil {
			return nil, fmt.Errorf("count deliveries: %w", err)
		}
		if left == 0 {
			return good, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%d deliveries that fail are still pending after %s", left, patience)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func failingPromises(attempts, whole, failed int, came map[string][]time.Time, good map[string]time.Time) []promise {
	var list []promise
	wanted := failingDeliveries * failingAttempts
	requests, waits := 0, make([][]time.Duration, len(retryWaits))
	var goodTook []time.Duration
	for id, times := range came {
		if committed, is := good[id]; is {
			goodTook = append(goodTook, max(times[0].Sub(committed), 0))
			continue
		}
		requests += len(times)
		for i := 1; i < len(times) && i <= len(retryWaits); i++ {
			waits[i-1] = append(waits[i-1], times[i].Sub(times[i-1]))
		}
	}
	list = append(list,
		promise{what: "attempts in the log", value: grouped(attempts), wanted: grouped(wanted), broken: attempts != wanted},
		promise{what: "requests that the receiver saw", value: grouped(requests), wanted: grouped(wanted), broken: requests != wanted},
		promise{
			what: fmt.Sprintf("deliveries failed after %d attempts", failingAttempts), value: grouped(min(whole, failed)),
			wanted: grouped(failingDeliveries), broken: whole != failingDeliveries || failed != failingDeliveries,
		})
	for i, wait := range retryWaits {
		off := max(time.Duration(waitShare*float64(wait)), waitSlack)
		slices.Sort(waits[i])
		var least, most time.Duration
		if len(waits[i]) > 0 {
			least, most = waits[i][0], quantile(waits[i], 1)
		}
		list = append(list, promise{
			what: fmt.Sprintf("wait %d, least / most", i+1), value: spell(least) + " / " + spell(most),
			wanted: spell(wait) + " +- " + spell(off), broken: least < wait-off || most > wait+off,
		})
	}
	slices.Sort(goodTook)
	list = append(list, promise{
		what: "good deliveries received", value: grouped(len(goodTook)), wanted: grouped(len(good)), broken: len(goodTook) != len(good),
	})
	if len(goodTook) > 0 {
		most := quantile(goodTook, 1)
		list = append(list,
			promise{what: "  their commit to receipt, p50 / p99", value: spell(quantile(goodTook, 0.5)) + " / " + spell(quantile(goodTook, 0.99))},
			promise{what: "  most", value: spell(most), wanted: "< " + spell(goodPromised), broken: most >= goodPromised})
	}
	return list
}
