package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"plausible-webhooks/sender"
)

const (
	slowWebhooks, slowEach       = 5, 400
	hangingWebhooks, hangingEach = 100, 40

	healthyDeliveries = 200
	slowPromised      = 2.0 // Times the quiet p50 of the healthy webhook.
)

// measureSlow measures a healthy webhook alone, then beside slow ones, then
// beside hanging ones.
func measureSlow(ctx context.Context, b *sendBed) ([]promise, error) {
	var list []promise
	for _, n := range []struct {
		what           string
		path           string
		webhooks, each int
	}{
		{fmt.Sprintf("beside %d that take 4.5 s, %d deliveries each", slowWebhooks, slowEach), "/slow/", slowWebhooks, slowEach},
		{fmt.Sprintf("beside %d that hang, %d deliveries each", hangingWebhooks, hangingEach), "/hang/", hangingWebhooks, hangingEach},
	} {
		b.tell("a healthy webhook alone, then %s", n.what)
		quiet, beside, err := besideNeighbours(ctx, b, n.path, n.webhooks, n.each)
		if err != nil {
			return nil, err
		}
		quietP50, besideP50 := quantile(quiet, 0.5), quantile(beside, 0.5)
		times := besideP50.Seconds() / max(quietP50, time.Microsecond).Seconds()
		list = append(list,
			promise{what: "alone, commit to receipt, p50 / p99", value: spell(quietP50) + " / " + spell(quantile(quiet, 0.99))},
			promise{what: n.what + ", p50 / p99", value: spell(besideP50) + " / " + spell(quantile(beside, 0.99))},
			promise{what: "  times the p50 alone", value: fmt.Sprintf("%.2f", times), wanted: fmt.Sprintf("<= %.1f", slowPromised), broken: times > slowPromised},
		)
	}
	return list, nil
}

// besideNeighbours measures a healthy webhook before and while its neighbours
// have as many attempts in flight as they can.
func besideNeighbours(ctx context.Context, b *sendBed, path string, neighbours, each int) (quiet, beside []time.Duration, err error) {
	w, err := b.newWorld(ctx, "slow_"+path[1:len(path)-1])
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	healthy, err := w.webhooks(ctx, "/ok/", 1)
	if err != nil {
		return nil, nil, err
	}
	bad, err := w.webhooks(ctx, path, neighbours)
	if err != nil {
		return nil, nil, err
	}
	stop, err := w.run(ctx, nil)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		// So that the sender's end need not wait for them.
		released := make(chan struct{})
		go func() {
			defer close(released)
			err = errors.Join(err, stop())
		}()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			b.receiver.release()
			select {
			case <-released:
				return
			case <-tick.C:
			}
		}
	}()
	if quiet, err = w.oneByOne(ctx, healthy[0], "/ok/1", healthyDeliveries); err != nil {
		return nil, nil, err
	}
	seen := b.receiver.requests.Load()
	if err := w.enqueue(ctx, bad, neighbours*each, ratePayload); err != nil {
		return nil, nil, err
	}
	o := sender.Defaults()
	inFlight := int64(min(neighbours*o.ConcurrencyPerWebhook, o.Concurrency/2))
	if err := b.receiver.seen(ctx, seen+inFlight); err != nil {
		return nil, nil, err
	}
	beside, err = w.oneByOne(ctx, healthy[0], "/ok/1", healthyDeliveries)
	return quiet, beside, err
}
