package sender

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestBatchGathersWhileBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var sizes []int
		open := make(chan struct{})
		b := newBatch(false, func(_ context.Context, questions []int) ([]int, error) {
			mu.Lock()
			sizes = append(sizes, len(questions))
			mu.Unlock()
			<-open
			return questions, nil
		})
		b.start(t.Context())
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				if got, err := b.do(i); got != i || err != nil {
					t.Errorf("got %d, %v, want %d", got, err, i)
				}
			})
		}
		synctest.Wait()
		close(open)
		all.Wait()
		b.stop()
		if len(sizes) > 2*batchWorkers+2 {
			t.Errorf("got statements of %v calls, want few", sizes)
		}
	})
}

func TestBatchIsolatesRefusedRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusal := &pgconn.PgError{Code: "22021"}
		away := errors.New("the database is away")
		tries := 0
		b := newBatch(true, func(_ context.Context, questions []int) ([]int, error) {
			if tries++; tries < 4 {
				return nil, away
			}
			for _, q := range questions {
				if q == 3 {
					return nil, refusal
				}
			}
			return questions, nil
		})
		calls := make([]call[int, int], 6)
		for i := range calls {
			calls[i] = call[int, int]{i, make(chan answer[int], 1)}
		}
		b.execute(t.Context(), calls)
		for i, c := range calls {
			if a := <-c.answer; (i == 3) != errors.Is(a.err, refusal) || i != 3 && a.value != i {
				t.Errorf("call %d: got %d, %v", i, a.value, a.err)
			}
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		tries = 0
		b.execute(ended, calls[:1])
		if a := <-calls[0].answer; !errors.Is(a.err, away) {
			t.Errorf("got %v, want the error once the sender ends", a.err)
		}
	})
}
