package evaluator

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// LeaderKey is the session advisory lock of the process that evaluates; any
// constant does that nothing else in the database uses.
const LeaderKey = 0x706c_7768_6576_616c

const (
	// leadRetry is how soon another process takes over.
	leadRetry = 3 * time.Second
	// leadLimit bounds the statements of the leading connection: one that
	// hangs is as good as lost.
	leadLimit = 10 * time.Second
)

// lead waits for the lead, evaluates while it lasts, and returns when it or
// ctx ends. The lock lives and dies with a connection of its own. Should two
// processes lead for a moment, because one has not noticed the loss of its
// connection yet, then the versions of states keep them apart.
func (e *Evaluator) lead(ctx context.Context) {
	err := e.leadOnce(ctx)
	e.leading.Store(false)
	e.standingBy.Store(false)
	if ctx.Err() != nil {
		return
	}
	e.stoodStill(err)
	pause(ctx, leadRetry)
}

func (e *Evaluator) leadOnce(ctx context.Context) error {
	connecting, cancel := context.WithTimeout(ctx, leadLimit)
	conn, err := pgx.ConnectConfig(connecting, e.options.DB.Config().ConnConfig.Copy())
	cancel()
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL for the lead of evaluation: %w", err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), leadLimit)
		defer cancel()
		_ = conn.Close(closing) // It is given up either way.
	}()
	for waiting := false; ; waiting = true {
		leading := false
		err := bounded(ctx, func(ctx context.Context) error {
			return conn.QueryRow(ctx, "select pg_try_advisory_lock($1)", int64(LeaderKey)).Scan(&leading)
		})
		if err != nil {
			return fmt.Errorf("ask for the lead of evaluation: %w", err)
		}
		if leading {
			break
		}
		e.worked()
		e.standingBy.Store(true)
		if !waiting {
			e.log.Info("another process evaluates; standing by")
		}
		if !pause(ctx, leadRetry) {
			return context.Cause(ctx)
		}
	}
	e.standingBy.Store(false)
	e.leading.Store(true)
	e.log.Info("this process evaluates")
	return e.keepTime(ctx, func(ctx context.Context) error {
		return bounded(ctx, func(ctx context.Context) error {
			if _, err := conn.Exec(ctx, "select 1"); err != nil {
				return fmt.Errorf("keep the lead of evaluation: %w", err)
			}
			return nil
		})
	})
}

func bounded(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, leadLimit)
	defer cancel()
	return do(ctx)
}

// pause waits and reports whether ctx still lives.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
