package evaluator

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// LeaderKey is the session advisory lock of the process that evaluates; any
// constant does that nothing else in the database uses.
const LeaderKey = 0x706c_7768_6576_616c

// Another process takes over within 10 s of whatever befalls the leader: a
// crash (the server sees the end of the connection at once), or a host that
// vanished, a stopped process, a firewall that forgot the connection (the
// server ends a session that is silent for leadSilence).
const (
	// leadRetry is how often a process that stands by asks for the lead; one
	// that gives it up tells at once.
	leadRetry = time.Second
	// leadBeat is how often the leading connection shows that it lives.
	leadBeat = 1500 * time.Millisecond
	// leadSilence is after how long without a sign of life the server ends the
	// session, and with it the lock. It allows for a busy machine.
	leadSilence = 6 * time.Second
	// leadLimit bounds the statements of the leading connection: one that
	// hangs is as good as lost.
	leadLimit = 4 * time.Second
)

// leadChannel is where a process that gives the lead up says so.
const leadChannel = "plausible_webhooks_lead"

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
	conn, err := e.connectToLead(ctx)
	if err != nil {
		return err
	}
	l := &leadership{conn: conn}
	defer l.giveUp(ctx)
	if err := e.standBy(ctx, conn); err != nil {
		return err
	}
	e.standingBy.Store(false)
	e.leading.Store(true)
	e.log.Info("this process evaluates")

	// A tick may take long; the lead is shown, and its loss found, meanwhile.
	leading, end := context.WithCancel(ctx)
	var lost error
	var beating sync.WaitGroup
	beating.Go(func() {
		defer end()
		for pause(leading, leadBeat) {
			if lost = l.beat(leading); lost != nil {
				return
			}
		}
	})
	err = e.keepTime(leading, l.beat)
	end()
	beating.Wait()
	if lost != nil && ctx.Err() == nil {
		return lost // The cause of what keepTime says.
	}
	return err
}

// connectToLead opens the session that holds the lock.
func (e *Evaluator) connectToLead(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, leadLimit)
	defer cancel()
	config := e.options.DB.Config().ConnConfig.Copy()
	config.RuntimeParams["idle_session_timeout"] = milliseconds(leadSilence)
	config.RuntimeParams["statement_timeout"] = milliseconds(leadLimit)
	conn, err := pgx.ConnectConfig(ctx, config)
	if err == nil {
		_, err = conn.Exec(ctx, "listen "+leadChannel)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect to PostgreSQL for the lead of evaluation: %w", err), closed(ctx, conn))
	}
	return conn, nil
}

func closed(ctx context.Context, conn *pgx.Conn) error {
	if conn == nil {
		return nil
	}
	return conn.Close(ctx)
}

func milliseconds(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

// standBy returns once this process leads. It asks again and again, for a
// statement that waits for the lock would hold a snapshot, and with it vacuum
// and every concurrent build of an index.
func (e *Evaluator) standBy(ctx context.Context, conn *pgx.Conn) error {
	for waiting := false; ; waiting = true {
		leading := false
		err := bounded(ctx, leadLimit, func(ctx context.Context) error {
			return conn.QueryRow(ctx, "select pg_try_advisory_lock($1)", int64(LeaderKey)).Scan(&leading)
		})
		if err != nil {
			return fmt.Errorf("ask for the lead of evaluation: %w", err)
		}
		if leading {
			return nil
		}
		e.worked()
		e.standingBy.Store(true)
		if !waiting {
			e.log.Info("another process evaluates; standing by")
		}
		err = bounded(ctx, leadRetry, func(ctx context.Context) error {
			_, err := conn.WaitForNotification(ctx)
			return err
		})
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && conn.IsClosed():
			return fmt.Errorf("wait for the lead of evaluation: %w", err)
		}
	}
}

// leadership is a connection that may hold the lock.
type leadership struct {
	mu   sync.Mutex
	conn *pgx.Conn
}

// beat shows the server that this process lives, and finds out whether the
// lock is still there.
func (l *leadership) beat(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bounded(ctx, leadLimit, func(ctx context.Context) error {
		if _, err := l.conn.Exec(ctx, "select 1"); err != nil {
			return fmt.Errorf("keep the lead of evaluation: %w", err)
		}
		return nil
	})
}

// giveUp ends the connection and the lead with it. Those who stand by are told
// after the lock is free.
func (l *leadership) giveUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leadLimit)
	defer cancel()
	// Where it fails, they find out by themselves, within leadRetry.
	_, _ = l.conn.Exec(ctx, "select pg_advisory_unlock_all()")
	_, _ = l.conn.Exec(ctx, "notify "+leadChannel)
	_ = l.conn.Close(ctx) // It is given up either way.
}

func bounded(ctx context.Context, limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
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
