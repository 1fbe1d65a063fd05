package front

import (
	"context"
	"sync"
)

// tooManyQueries is what a server answers whose max_concurrent_queries is reached.
var tooManyQueries = Exception{202, "Too many simultaneous queries. Maximum: 1. (TOO_MANY_SIMULTANEOUS_QUERIES)"}

// trouble is what tests let the server suffer from. The zero value is none.
type trouble struct {
	mu      sync.Mutex
	failing bool
	resumed chan struct{} // Not nil while paused; closed when the pause ends.
}

func (t *trouble) set(failing, paused bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failing = failing
	if t.resumed != nil && !paused {
		close(t.resumed)
		t.resumed = nil
	}
	if paused && t.resumed == nil {
		t.resumed = make(chan struct{})
	}
}

// meet waits while paused, at most as long as the client does, and returns the
// error that a request meets, if any.
func (t *trouble) meet(ctx context.Context) error {
	for {
		t.mu.Lock()
		failing, resumed := t.failing, t.resumed
		t.mu.Unlock()
		if resumed == nil {
			if failing {
				return tooManyQueries
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-resumed:
		}
	}
}
