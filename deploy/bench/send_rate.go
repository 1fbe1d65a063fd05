package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"strings"
	"time"

	"plausible-webhooks/sender"
)

const (
	rateDeliveries = 20_000
	rateWebhooks   = 64
	ratePromised   = 0.25 // Of the bare loop's rate.
)

// ratePayload is as long as a goal's completion with three sources: a little
// less than a kilobyte.
var ratePayload = `{"type": "goal.completed", "data": {"pad": "` + strings.Repeat("x", 850) + `"}}`

// measureRate compares the sender, which records everything, with a loop that
// records nothing. Receiver, loop and sender share this process, so that the
// comparison is between equals.
func measureRate(ctx context.Context, b *sendBed) ([]promise, error) {
	n := b.options.deliveries
	concurrency := sender.Defaults().Concurrency
	b.tell("%s requests of a bare loop, %d at once", grouped(n), concurrency)
	before, err := bareRate(ctx, b, n, concurrency)
	if err != nil {
		return nil, err
	}
	b.tell("%s deliveries to one webhook", grouped(n))
	one, err := sendRate(ctx, b, "rate_one_db", n, 1, concurrency, b.options.cpuProfile)
	if err != nil {
		return nil, err
	}
	b.tell("%s deliveries to %d webhooks", grouped(n), rateWebhooks)
	many, err := sendRate(ctx, b, "rate_many_db", n, rateWebhooks, sender.Defaults().ConcurrencyPerWebhook, "")
	if err != nil {
		return nil, err
	}
	b.tell("the bare loop again")
	after, err := bareRate(ctx, b, n, concurrency)
	if err != nil {
		return nil, err
	}
	bare := before.with(after)
	return []promise{
		{what: "bare loop, requests per second, before / after", value: fmt.Sprintf("%.0f / %.0f", before.perSecond(), after.perSecond())},
		{what: "one webhook, deliveries recorded per second", value: fmt.Sprintf("%.0f", one.perSecond())},
		one.beside(bare, "  of the bare loop's rate"),
		{what: fmt.Sprintf("%d webhooks, deliveries recorded per second", rateWebhooks), value: fmt.Sprintf("%.0f", many.perSecond())},
		many.beside(bare, "  of the bare loop's rate"),
		{what: "processor time of one, loop and receiver", value: bare.each(bare.here)},
		{what: "  sender and receiver: one webhook / many", value: one.each(one.here) + " / " + many.each(many.here)},
		{what: "  PostgreSQL: one webhook / many", value: one.each(one.postgres) + " / " + many.each(many.postgres)},
		{what: "processors busy, of all: loop / one webhook / many", value: bare.busy() + " / " + one.busy() + " / " + many.busy()},
	}, nil
}

// run is how long so many requests took, and what they cost.
type run struct {
	n        int
	took     time.Duration
	here     time.Duration // Processor time of this process.
	postgres time.Duration // And of the server's.
}

func (r run) with(o run) run {
	return run{r.n + o.n, r.took + o.took, r.here + o.here, r.postgres + o.postgres}
}

func (r run) perSecond() float64 { return float64(r.n) / r.took.Seconds() }

func (r run) each(all time.Duration) string {
	return fmt.Sprintf("%d µs", (all / time.Duration(r.n)).Microseconds())
}

func (r run) busy() string {
	return fmt.Sprintf("%.0f %%", 100*(r.here+r.postgres).Seconds()/r.took.Seconds()/float64(processors()))
}

func (r run) beside(bare run, what string) promise {
	ratio := r.perSecond() / bare.perSecond()
	return promise{what: what, value: fmt.Sprintf("%.2f", ratio), wanted: fmt.Sprintf(">= %.2f", ratePromised), broken: ratio < ratePromised}
}

// measured runs f and returns what it took.
func (b *sendBed) measured(n int, f func() error) (r run, err error) {
	before, err := b.used()
	if err != nil {
		return run{}, err
	}
	began := time.Now()
	if err := f(); err != nil {
		return run{}, err
	}
	took := time.Since(began)
	after, err := b.used()
	if err != nil {
		return run{}, err
	}
	return run{n: n, took: took, here: after.here - before.here, postgres: after.postgres - before.postgres}, nil
}

// sendRate sends what is queued already, from the sender's start until the
// last record is committed.
func sendRate(ctx context.Context, b *sendBed, name string, n, webhooks, perWebhook int, profile string) (_ run, err error) {
	w, err := b.newWorld(ctx, name)
	if err != nil {
		return run{}, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	hooks, err := w.webhooks(ctx, "/ok/", webhooks)
	if err != nil {
		return run{}, err
	}
	if err := w.enqueue(ctx, hooks, n, ratePayload); err != nil {
		return run{}, err
	}
	if profile != "" {
		file, err := os.Create(profile)
		if err != nil {
			return run{}, fmt.Errorf("open the profile: %w", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		if err := pprof.StartCPUProfile(file); err != nil {
			return run{}, fmt.Errorf("profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	seen := b.receiver.requests.Load()
	var stop func() error
	took, err := b.measured(n, func() (err error) {
		if stop, err = w.run(ctx, func(o *sender.Options) { o.ConcurrencyPerWebhook = perWebhook }); err != nil {
			return err
		}
		// Looking into the queue would be a load of its own.
		if err := b.receiver.seen(ctx, seen+int64(n)); err != nil {
			return err
		}
		return w.until(ctx, 0, `select case when exists (select from plausible_webhooks.webhook_deliveries where status = 'pending') then 1 else 0 end`)
	})
	if stop != nil {
		err = errors.Join(err, stop())
	}
	if err != nil {
		return run{}, err
	}
	var recorded int
	if err := w.outside.QueryRow(ctx, `select count(*) from plausible_webhooks.webhook_delivery_attempts a
		join plausible_webhooks.webhook_deliveries d on d.id = a.delivery_id and d.status = 'delivered'
		where a.status_code = 204 and a.duration_ms is not null`).Scan(&recorded); err != nil {
		return run{}, fmt.Errorf("count attempts: %w", err)
	}
	if arrived := int(b.receiver.requests.Load() - seen); recorded != n || arrived != n {
		return run{}, fmt.Errorf("%d deliveries: the receiver saw %d requests, the log has %d attempts that succeeded", n, arrived, recorded)
	}
	return took, nil
}
