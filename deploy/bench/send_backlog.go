package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	backlogDeliveries  = 1_000_000
	backlogFresh       = 5                // Deliveries of the other webhook.
	backlogMemory      = 150 << 20        // Promised: less than this is resident, at most.
	backlogFirst       = time.Second      // Promised: the first delivery is out within this of the process's start.
	backlogOther       = time.Second      // And those of the other webhook within this of the first.
	backlogWatched     = 15 * time.Second // How long memory is watched.
	nobodysClickHouse  = "http://127.0.0.1:9/plausible_events_db"
	backlogHookPayload = `{"type": "goal.completed", "data": {"pad": "`
)

// measureBacklog starts the built program before a queue that is full. There is no
// ClickHouse: nothing is evaluated.
func measureBacklog(ctx context.Context, b *sendBed) (_ []promise, err error) {
	w, err := b.newWorld(ctx, "backlog_db")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	full, err := w.webhooks(ctx, "/ok/full/", 1)
	if err != nil {
		return nil, err
	}
	other, err := w.webhooks(ctx, "/ok/other/", 1)
	if err != nil {
		return nil, err
	}
	b.tell("inserting %s deliveries", grouped(b.options.backlog))
	if err := w.enqueue(ctx, full, b.options.backlog, backlogHookPayload+strings.Repeat("x", 150)+`"}}`); err != nil {
		return nil, err
	}
	if err := w.enqueue(ctx, other, backlogFresh, ratePayload); err != nil {
		return nil, err
	}
	caFile, err := b.receiver.caFile(b.dir)
	if err != nil {
		return nil, err
	}
	if err := b.build(ctx); err != nil { // Not on the clock.
		return nil, err
	}
	firsts, others := make(chan time.Time, 1), make(chan time.Time, backlogFresh)
	b.receiver.watch(func(r receipt) {
		into := firsts
		if strings.HasPrefix(r.path, "/ok/other/") {
			into = others
		}
		select {
		case into <- r.at:
		default: // Only the first ones matter.
		}
	})
	defer b.receiver.watch(nil)
	seen := b.receiver.requests.Load()
	began := time.Now()
	process, err := b.startSidecar(ctx, w.url, nobodysClickHouse, caFile)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, process.Stop()) }()
	limit := time.After(patience)
	var first, last time.Time
	for got := 0; got < backlogFresh || first.IsZero(); {
		select {
		case first = <-firsts:
		case last = <-others:
			got++
		case <-limit:
			return nil, fmt.Errorf("of the backlog nothing arrived (%t), or of the other webhook only %d", first.IsZero(), got)
		case <-process.Exited():
			return nil, errors.New("the program ended")
		}
	}
	b.tell("watching its memory for %s", backlogWatched)
	select {
	case <-time.After(backlogWatched):
	case <-process.Exited():
		return nil, errors.New("the program ended")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	took := time.Since(began)
	use, err := memoryOf(process.PID())
	if err != nil {
		return nil, err
	}
	arrived := b.receiver.requests.Load() - seen
	late := max(last.Sub(first), 0)
	return []promise{
		{what: "deliveries pending at the start", value: grouped(b.options.backlog)},
		{
			what: "process's start to the first receipt", value: spell(first.Sub(began)),
			wanted: "< " + spell(backlogFirst), broken: first.Sub(began) >= backlogFirst,
		},
		{
			what: fmt.Sprintf("from it to the last of %d of another webhook", backlogFresh), value: spell(late),
			wanted: "< " + spell(backlogOther), broken: late >= backlogOther,
		},
		{what: "received meanwhile, per second", value: fmt.Sprintf("%.0f", float64(arrived)/took.Seconds())},
		{
			what: "resident memory at most", value: mebibytes(use.Peak),
			wanted: "< " + mebibytes(backlogMemory), broken: use.Peak >= backlogMemory,
		},
	}, nil
}
