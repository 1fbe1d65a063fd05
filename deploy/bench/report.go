package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// reportSend prints the table, and returns an error where the promise was not
// kept or the log does not tell the whole story.
func reportSend(ctx context.Context, db *pgxpool.Pool, begun time.Time, r *receivers, pid int) error {
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
		return err
	}
	fmt.Printf("\n%-38s %10d\n", "deliveries wanted", sendDeliveries)
	fmt.Printf("%-38s %10d\n", "received with a 2xx", len(latencies))
	fmt.Printf("%-38s %9.2f%%   promised %.0f%%\n", "within 30 s of the row in ClickHouse", percent, sendPromised)
	if len(latencies) > 0 {
		for _, q := range []struct {
			name string
			at   float64
		}{{"p50", 0.50}, {"p95", 0.95}, {"p99", 0.99}, {"max", 1}} {
			fmt.Printf("%-38s %10s\n", q.name, quantile(latencies, q.at).Round(time.Millisecond))
		}
		last := latencies[len(latencies)-1]
		fmt.Printf("%-38s %10.0f\n", "deliveries per second, to the last", float64(len(latencies))/last.Seconds())
	}
	if err := reportStages(ctx, db, begun); err != nil {
		return err
	}
	fmt.Printf("%-38s %10d\n", "requests that receivers saw", requests)
	fmt.Printf("%-38s %10d\n", "attempts in the log", attempts)
	fmt.Printf("%-38s %10d\n", "delivered in the log", delivered)
	fmt.Printf("%-38s %10d\n", "still pending in the log", pending)
	fmt.Printf("%-38s %10s\n\n", "resident memory of the sidecar", residentMemory(pid))
	switch {
	case percent < sendPromised:
		return fmt.Errorf("%.2f%% were delivered within %s, promised are %.0f%%", percent, sendPromise, sendPromised)
	case attempts < requests:
		return fmt.Errorf("receivers saw %d requests, the log has %d attempts", requests, attempts)
	}
	return nil
}

// reportStages tells where the time went: until the evaluator had queued the
// deliveries, and from there until their first attempts.
func reportStages(ctx context.Context, db *pgxpool.Pool, begun time.Time) error {
	var first, last, sent time.Time
	var p50, p95 float64
	if err := db.QueryRow(ctx, `select min(d.inserted_at), max(d.inserted_at), min(a.started_at),
			percentile_cont(0.50) within group (order by extract(epoch from a.started_at - d.inserted_at)),
			percentile_cont(0.95) within group (order by extract(epoch from a.started_at - d.inserted_at))
		from plausible_webhooks.webhook_deliveries d
		join plausible_webhooks.webhook_delivery_attempts a on a.delivery_id = d.id and a.attempt = 1`).Scan(&first, &last, &sent, &p50, &p95); err != nil {
		return fmt.Errorf("measure the stages: %w", err)
	}
	fmt.Printf("%-38s %10s, last %s\n", "queued after the row, first", first.Sub(begun).Round(time.Millisecond), last.Sub(begun).Round(time.Millisecond))
	fmt.Printf("%-38s %10s\n", "very first attempt after the row", sent.Sub(begun).Round(time.Millisecond))
	fmt.Printf("%-38s %9.3fs, p95 %.3fs\n", "first attempt after being queued, p50", p50, p95)
	return nil
}

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
	return fmt.Sprintf("%d kB, at most %d kB", use.Now>>10, use.Peak>>10)
}
