package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// fanoutPromises are those of the whole path, and what else the log and the
// receivers tell of it.
func fanoutPromises(ctx context.Context, db *pgxpool.Pool, begun time.Time, r *receivers, pid int) ([]promise, error) {
	r.mu.Lock()
	requests := r.requests
	var latencies []time.Duration
	for _, at := range r.received {
		latencies = append(latencies, at.Sub(begun))
	}
	r.mu.Unlock()
	slices.Sort(latencies)
	inTime, _ := slices.BinarySearch(latencies, sendPromise)
	percent := 100 * float64(inTime) / sendDeliveries

	delivered, pending, attempts, err := settled(ctx, db)
	if err != nil {
		return nil, err
	}
	list := []promise{
		{what: "deliveries wanted", value: grouped(sendDeliveries)},
		{what: "received with a 2xx", value: grouped(len(latencies))},
		{
			what: "within 30 s of the row in ClickHouse", value: fmt.Sprintf("%.2f %%", percent),
			wanted: fmt.Sprintf(">= %.0f %%", sendPromised), broken: percent < sendPromised,
		},
	}
	if len(latencies) > 0 {
		for _, q := range []struct {
			name string
			at   float64
		}{{"p50", 0.50}, {"p95", 0.95}, {"p99", 0.99}, {"most", 1}} {
			list = append(list, promise{what: "row to receipt, " + q.name, value: spell(quantile(latencies, q.at))})
		}
		last := latencies[len(latencies)-1]
		list = append(list, promise{what: "deliveries per second, to the last", value: grouped(int(float64(len(latencies)) / last.Seconds()))})
	}
	stages, err := fanoutStages(ctx, db, begun)
	if err != nil {
		return nil, err
	}
	return append(append(list, stages...),
		promise{what: "requests that receivers saw", value: grouped(requests)},
		promise{
			what: "attempts in the log", value: grouped(attempts),
			wanted: "no fewer", broken: attempts < requests,
		},
		promise{what: "delivered in the log", value: grouped(delivered)},
		promise{what: "still pending in the log", value: grouped(pending)},
		promise{what: "resident memory, at the end / at most", value: residentMemory(pid)},
	), nil
}

// fanoutStages tell where the time went: until the evaluator had queued the
// deliveries, and from there until their first attempts.
func fanoutStages(ctx context.Context, db *pgxpool.Pool, begun time.Time) ([]promise, error) {
	var first, last, sent time.Time
	var p50, p95 float64
	if err := db.QueryRow(ctx, `select min(d.inserted_at), max(d.inserted_at), min(a.started_at),
			percentile_cont(0.50) within group (order by extract(epoch from a.started_at - d.inserted_at)),
			percentile_cont(0.95) within group (order by extract(epoch from a.started_at - d.inserted_at))
		from plausible_webhooks.webhook_deliveries d
		join plausible_webhooks.webhook_delivery_attempts a on a.delivery_id = d.id and a.attempt = 1`).Scan(&first, &last, &sent, &p50, &p95); err != nil {
		return nil, fmt.Errorf("measure the stages: %w", err)
	}
	return []promise{
		{what: "queued after the row, first / last", value: spell(first.Sub(begun)) + " / " + spell(last.Sub(begun))},
		{what: "very first attempt after the row", value: spell(sent.Sub(begun))},
		{what: "queued to first attempt, p50 / p95", value: spell(seconds(p50)) + " / " + spell(seconds(p95))},
	}, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// settled waits a little for the records of the last answers, then counts.
func settled(ctx context.Context, db *pgxpool.Pool) (delivered, pending, attempts int, err error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range 100 {
		if err := db.QueryRow(ctx, `select count(*) filter (where status = 'delivered'), count(*) filter (where status = 'pending'),
			(select count(*) from plausible_webhooks.webhook_delivery_attempts) from plausible_webhooks.webhook_deliveries`).
			Scan(&delivered, &pending, &attempts); err != nil {
			return 0, 0, 0, fmt.Errorf("count deliveries: %w", err)
		}
		if pending == 0 {
			break
		}
		<-tick.C
	}
	return delivered, pending, attempts, nil
}

// quantile is the value that a part q of the others is below; q at one is the
// largest.
func quantile[T any](sorted []T, q float64) T {
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func residentMemory(pid int) string {
	use, err := memoryOf(pid)
	if err != nil {
		return "unknown"
	}
	return mebibytes(use.Now) + " / " + mebibytes(use.Peak)
}
