package main

import (
	"context"
	"regexp"
	"sync"
	"time"
)

var insertion = regexp.MustCompile(`(?i)^\s*INSERT\s`)

// feed writes each slice when it is over, as Plausible's write buffer does.
type feed struct {
	cancel context.CancelFunc
	work   sync.WaitGroup
	ended  chan struct{} // Closed when it has ended.
	err    error         // Why; set before ended is closed. Nil where it was told to.
}

// startFeed catches up with the present, for filling takes its time, and goes
// on from there.
func startFeed(ctx context.Context, t *table) (*feed, error) {
	slice := flatSlices
	for ; t.sliceEnd(slice) <= time.Now().Unix(); slice++ {
		if err := t.addSlice(ctx, slice); err != nil {
			return nil, err
		}
	}
	if err := t.settle(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	f := &feed{cancel: cancel, ended: make(chan struct{})}
	f.work.Go(func() {
		defer close(f.ended)
		for ; ; slice++ {
			select {
			case <-time.After(time.Until(time.Unix(t.sliceEnd(slice), 0))):
			case <-ctx.Done():
				return
			}
			if err := t.addSlice(ctx, slice); err != nil {
				if ctx.Err() == nil {
					f.err = err
				}
				return
			}
		}
	})
	return f, nil
}

// stop ends the feed, and tells why it had ended if it was by itself.
func (f *feed) stop() error {
	f.cancel()
	f.work.Wait()
	return f.err
}
