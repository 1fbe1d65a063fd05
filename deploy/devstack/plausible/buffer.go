package plausible

import (
	"context"
	"log"
	"sync"
	"time"

	"plausible-webhooks/deploy/devstack/stack"
)

// writeBuffer holds events back as Plausible's ingestion/write_buffer.ex does:
// they reach ClickHouse together, a flush interval after the first of them at
// the latest. A failed insert loses its events, as it does there.
type writeBuffer struct {
	interval time.Duration
	write    func(context.Context, []stack.Event) error
	done     chan struct{}
	stopOnce sync.Once

	mu     sync.Mutex // Guards events.
	events []stack.Event
}

// flushTimeout bounds one insert; ClickHouse on loopback answers in
// milliseconds unless a test has paused it.
const flushTimeout = 10 * time.Second

func newWriteBuffer(interval time.Duration, write func(context.Context, []stack.Event) error) *writeBuffer {
	return &writeBuffer{interval: interval, write: write, done: make(chan struct{})}
}

func (b *writeBuffer) add(e stack.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, e)
}

func (b *writeBuffer) flush(ctx context.Context) error {
	b.mu.Lock()
	events := b.events
	b.events = nil
	b.mu.Unlock()
	if len(events) == 0 {
		return nil
	}
	return b.write(ctx, events)
}

// run flushes until stop, then once more.
func (b *writeBuffer) run() {
	ticker := time.NewTicker(b.interval)
	defer ticker.Stop()
	for {
		stopped := false
		select {
		case <-ticker.C:
		case <-b.done:
			stopped = true
		}
		ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
		if err := b.flush(ctx); err != nil {
			log.Printf("stand-in for Plausible: events lost, as Plausible would lose them: %v", err)
		}
		cancel()
		if stopped {
			return
		}
	}
}

func (b *writeBuffer) stop() { b.stopOnce.Do(func() { close(b.done) }) }
