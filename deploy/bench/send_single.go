package main

import (
	"context"
	"errors"
	"slices"
	"time"
)

const (
	singleDeliveries  = 500
	singleP50Promised = 10 * time.Millisecond
	singleP99Promised = 50 * time.Millisecond
)

// measureSingle measures how soon a lone delivery goes out that anybody may
// have inserted: the sender is not told of it but by the database.
func measureSingle(ctx context.Context, b *sendBed) (_ []promise, err error) {
	w, err := b.newWorld(ctx, "single_db")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	hooks, err := w.webhooks(ctx, "/ok/", 1)
	if err != nil {
		return nil, err
	}
	stop, err := w.run(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	b.tell("%d deliveries, one after the other", singleDeliveries)
	times, err := w.oneByOne(ctx, hooks[0], "/ok/1", singleDeliveries)
	if err != nil {
		return nil, err
	}
	p50, p99 := quantile(times, 0.50), quantile(times, 0.99)
	return []promise{
		{what: "commit to receipt, p50", value: spell(p50), wanted: "< " + spell(singleP50Promised), broken: p50 >= singleP50Promised},
		{what: "commit to receipt, p99", value: spell(p99), wanted: "< " + spell(singleP99Promised), broken: p99 >= singleP99Promised},
		{what: "commit to receipt, most", value: spell(quantile(times, 1))},
	}, nil
}

// oneByOne queues deliveries each of which waits for the one before to arrive,
// and returns how long they took from their commit, sorted. One that arrived
// before we knew of the commit took no time.
func (w *world) oneByOne(ctx context.Context, webhook int64, path string, n int) (times []time.Duration, err error) {
	arrivals := w.bed.receiver.at(path)
	defer arrivals.stop()
	for range n {
		id, committed, err := w.enqueueOne(ctx, webhook, ratePayload)
		if err != nil {
			return nil, err
		}
		at, err := arrivals.of(ctx, id)
		if err != nil {
			return nil, err
		}
		times = append(times, max(at.Sub(committed), 0))
	}
	slices.Sort(times)
	return times, nil
}
