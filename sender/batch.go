package sender

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	batchSize    = 500 // Calls in one statement.
	batchWorkers = 2   // Statements of one kind at once: one is planned while the other commits.

	firstWriteRetry = 50 * time.Millisecond
	lastWriteRetry  = 2 * time.Second
)

// batch gathers calls that arrive while the database is busy with the ones
// before, and makes one statement of them. A call that comes alone does not
// wait for others.
type batch[Q, A any] struct {
	run     func(context.Context, []Q) ([]A, error) // One answer for each call, in order.
	patient bool                                    // Try again while the database is away, until the context ends.

	calls   chan call[Q, A]
	workers sync.WaitGroup
}

type call[Q, A any] struct {
	question Q
	answer   chan answer[A]
}

type answer[A any] struct {
	value A
	err   error
}

func newBatch[Q, A any](patient bool, run func(context.Context, []Q) ([]A, error)) *batch[Q, A] {
	return &batch[Q, A]{run: run, patient: patient, calls: make(chan call[Q, A])}
}

// start begins to work; stop ends it once nobody calls any more.
func (b *batch[Q, A]) start(ctx context.Context) {
	for range batchWorkers {
		b.workers.Go(func() {
			for first := range b.calls {
				b.execute(ctx, b.gather(first))
			}
		})
	}
}

func (b *batch[Q, A]) stop() {
	close(b.calls)
	b.workers.Wait()
}

// do makes one call and waits for its answer, which comes in any case: when
// the context of start ends, it is an error.
func (b *batch[Q, A]) do(question Q) (A, error) {
	c := call[Q, A]{question, make(chan answer[A], 1)}
	b.calls <- c
	a := <-c.answer
	return a.value, a.err
}

func (b *batch[Q, A]) gather(first call[Q, A]) []call[Q, A] {
	calls := []call[Q, A]{first}
	for len(calls) < batchSize {
		select {
		case c, open := <-b.calls:
			if !open {
				return calls
			}
			calls = append(calls, c)
		default:
			return calls
		}
	}
	return calls
}

func (b *batch[Q, A]) execute(ctx context.Context, calls []call[Q, A]) {
	questions := make([]Q, len(calls))
	for i, c := range calls {
		questions[i] = c.question
	}
	for wait := firstWriteRetry; ; wait = min(2*wait, lastWriteRetry) {
		answers, err := b.run(ctx, questions)
		switch {
		case err == nil:
			for i, c := range calls {
				c.answer <- answer[A]{value: answers[i]}
			}
			return
		case refusedByData(err) && len(calls) > 1:
			// One row that the database refuses must not hold up the others.
			for _, c := range calls {
				b.execute(ctx, []call[Q, A]{c})
			}
			return
		case !b.patient || refusedByData(err) || !pause(ctx, wait):
			for _, c := range calls {
				c.answer <- answer[A]{err: err}
			}
			return
		}
	}
}

// refusedByData reports an error that the same statement would meet again: a
// data exception (class 22) or a violated constraint (class 23).
func refusedByData(err error) bool {
	var refusal *pgconn.PgError
	return errors.As(err, &refusal) && len(refusal.Code) == 5 && (refusal.Code[:2] == "22" || refusal.Code[:2] == "23")
}

// pause waits, and reports whether it did to the end.
func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
