package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// How rows come into the table: history as what hours of small inserts have
// merged into, the hour before the measurement as Plausible's write buffer
// leaves it.
const (
	historyPartsPerDay = 8
	slicesPerInsert    = 300 / pollSeconds
	freshSlices        = 3600 / pollSeconds
	fillers            = 2 // Inserts at a time.
)

const (
	// mergeLimit is how long a filled table may take to merge its parts.
	mergeLimit = 5 * time.Minute
	// mergePause is how long no merge must run for the table to count as
	// settled.
	mergePause = time.Second
)

// table is the events_v2 of a measurement.
type table struct {
	traffic
	conn driver.Conn
}

// openTable connects to the database of address. Filling is not what is
// measured, so CE's profile does not hold for it.
func openTable(address string, t traffic) (*table, error) {
	options, err := clickhouse.ParseDSN(address)
	if err != nil {
		return nil, fmt.Errorf("read the address of ClickHouse: %w", err)
	}
	options.Settings = clickhouse.Settings{"max_threads": 1, "max_block_size": 65409}
	options.ReadTimeout = fillLimit
	options.MaxOpenConns = fillers + 1
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("open ClickHouse for filling: %w", err)
	}
	return &table{traffic: t, conn: conn}, nil
}

// fillLimit bounds filling, of a machine that is very busy.
const fillLimit = 30 * time.Minute

// fill writes everything before the live hour, or before the present.
func (t *table) fill(ctx context.Context) (rows int, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, fillLimit, fmt.Errorf("ClickHouse was not filled within %s", fillLimit))
	defer cancel()
	var statements []string
	for day := range historyDays {
		for part := range historyPartsPerDay {
			statements = append(statements, t.historyInsert(day, part, historyPartsPerDay))
		}
	}
	for slice := 0; slice < flatSlices-freshSlices; slice += slicesPerInsert {
		statements = append(statements, t.sliceInsert(slice, slicesPerInsert))
	}
	if err := t.insert(ctx, fillers, statements); err != nil {
		return 0, err
	}
	// One at a time and in order, as they come.
	statements = statements[:0]
	for slice := flatSlices - freshSlices; slice < flatSlices; slice++ {
		statements = append(statements, t.sliceInsert(slice, 1))
	}
	if err := t.insert(ctx, 1, statements); err != nil {
		return 0, err
	}
	return t.count(ctx)
}

// count is the number of rows of a table that was just filled.
func (t *table) count(ctx context.Context) (int, error) {
	var rows uint64
	if err := t.conn.QueryRow(ctx, "SELECT count() FROM events_v2").Scan(&rows); err != nil {
		return 0, fmt.Errorf("count rows: %w", err)
	}
	if want := historyDays*t.historyDay + flatSlices*t.perSlice; int(rows) != want {
		return 0, fmt.Errorf("fill ClickHouse: it has %d rows, want %d", rows, want)
	}
	return int(rows), nil
}

// insert runs statements in order, some at a time.
func (t *table) insert(ctx context.Context, atATime int, statements []string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan string)
	var workers sync.WaitGroup
	for range atATime {
		workers.Go(func() {
			for statement := range queue {
				if ctx.Err() != nil {
					continue // Drains the queue.
				}
				if err := t.conn.Exec(ctx, statement); err != nil {
					cancel(fmt.Errorf("fill ClickHouse: %w", err))
				}
			}
		})
	}
	for _, statement := range statements {
		queue <- statement
	}
	close(queue)
	workers.Wait()
	return context.Cause(ctx)
}

// addSlice writes one slice, as one flush of the write buffer.
func (t *table) addSlice(ctx context.Context, slice int) error {
	return t.insert(ctx, 1, []string{t.sliceInsert(slice, 1)})
}

// settle waits until the parts of a filled table are merged as far as they
// will be: in production that has happened long ago.
func (t *table) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, mergeLimit)
	defer cancel()
	tick := time.NewTicker(mergePause / 5)
	defer tick.Stop()
	for quietSince := time.Now(); time.Since(quietSince) < mergePause; {
		var merges uint64
		if err := t.conn.QueryRow(ctx, "SELECT count() FROM system.merges").Scan(&merges); err != nil {
			return fmt.Errorf("look for merges: %w", err)
		}
		if merges > 0 {
			quietSince = time.Now()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for merges: %w", context.Cause(ctx))
		}
	}
	return nil
}

// parts is the number of the table's parts.
func (t *table) parts(ctx context.Context) (int, error) {
	var parts uint64
	if err := t.conn.QueryRow(ctx, "SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = 'events_v2' AND active").Scan(&parts); err != nil {
		return 0, fmt.Errorf("count the parts of events_v2: %w", err)
	}
	return int(parts), nil
}

func (t *table) close() { _ = t.conn.Close() } // Only idle connections are left.
