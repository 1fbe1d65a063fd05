package cdc

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// rhythm is how a session shows that it is alive and finds out whether the
// server is.
type rhythm struct {
	// status is much shorter than any keepalive needs. PostgreSQL 16 and newer
	// can miss waking an idle walsender after a commit; a status update wakes
	// it, so this bounds the delay of a change, and keeps it under the second
	// that is promised.
	status time.Duration

	// ask is how often the server is asked to answer, and dead how long it may
	// be silent. Without both, a connection that a firewall dropped looks like
	// a quiet one for ever.
	ask, dead time.Duration

	// write keeps a status update from blocking for ever, for the library
	// passes no deadline on.
	write time.Duration
}

var normalRhythm = rhythm{status: 500 * time.Millisecond, ask: 5 * time.Second, dead: 15 * time.Second, write: 10 * time.Second}

// live is a session as the others see it. Its stream is guarded by Follower.mu.
type live struct {
	stream *stream // Nil until the snapshot is read.
	end    context.CancelCauseFunc

	position atomic.Uint64 // Everything before it has been applied.
	moved    chan struct{} // Of size one: the position has changed.
	ask      atomic.Bool   // Request an answer with the next status update.
	over     chan struct{} // Closed at the session's end.
}

// takeOver makes the session the one source of views: a poll that is under way
// may hold an older state than the slot's snapshot and must not replace it.
func (f *Follower) takeOver(end context.CancelCauseFunc) *live {
	session := &live{end: end, moved: make(chan struct{}, 1), over: make(chan struct{})}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.streaming = session
	return session
}

func (f *Follower) handBack(session *live) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.streaming = nil
	close(session.over)
}

// receive is the session's loop. It alternates between status updates and
// messages; anything that is not data ends it, for after an error the server
// stays connected and silent.
func (f *Follower) receive(ctx context.Context, conn *pgconn.PgConn, session *live) error {
	heard := time.Now()
	asked := heard
	next := heard // The first update goes out at once.
	for {
		now := time.Now()
		if !now.Before(next) {
			ask := session.ask.Swap(false) || now.Sub(asked) >= f.rhythm.ask
			if err := f.sendStatus(ctx, conn, session, ask); err != nil {
				return err
			}
			if ask {
				asked = now
			}
			next = now.Add(f.rhythm.status)
		}
		until, cancel := context.WithDeadline(ctx, next)
		message, err := conn.ReceiveMessage(until)
		cancel()
		switch {
		case err == nil:
			heard = time.Now()
			if err := f.take(message, session); err != nil {
				return err
			}
			f.confirm()
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !pgconn.Timeout(err):
			return fmt.Errorf("receive from the replication connection: %w", err)
		case time.Since(heard) > f.rhythm.dead:
			return fmt.Errorf("receive from the replication connection: no sign of life for %s", f.rhythm.dead)
		}
	}
}

func (f *Follower) sendStatus(ctx context.Context, conn *pgconn.PgConn, session *live, ask bool) error {
	if err := conn.Conn().SetWriteDeadline(time.Now().Add(f.rhythm.write)); err != nil {
		return fmt.Errorf("bound a status update to the server: %w", err)
	}
	err := pglogrepl.SendStandbyStatusUpdate(ctx, conn, pglogrepl.StandbyStatusUpdate{
		WALWritePosition: pglogrepl.LSN(session.position.Load()),
		ReplyRequested:   ask,
	})
	if err != nil {
		return fmt.Errorf("send a status update to the server: %w", err)
	}
	if err := conn.Conn().SetWriteDeadline(time.Time{}); err != nil {
		return fmt.Errorf("unbound the replication connection: %w", err)
	}
	return nil
}

// take handles one message of the server.
func (f *Follower) take(message pgproto3.BackendMessage, session *live) error {
	switch m := message.(type) {
	case *pgproto3.CopyData:
		return f.takeData(m.Data, session)
	case *pgproto3.ErrorResponse:
		return fmt.Errorf("follow the change stream: %w", pgconn.ErrorResponseToPgError(m))
	case *pgproto3.NoticeResponse:
		// From PostgreSQL 18 on a missing publication is no more than this.
		return fmt.Errorf("follow the change stream: the server warns: %s", m.Message)
	}
	return fmt.Errorf("follow the change stream: the server ended it (%T)", message)
}

func (f *Follower) takeData(data []byte, session *live) error {
	if len(data) == 0 {
		return fmt.Errorf("follow the change stream: an empty message: %w", errDesync)
	}
	switch data[0] {
	case pglogrepl.PrimaryKeepaliveMessageByteID:
		keepalive, err := pglogrepl.ParsePrimaryKeepaliveMessage(data[1:])
		if err != nil {
			return fmt.Errorf("follow the change stream: %w", err)
		}
		session.advance(keepalive.ServerWALEnd)
		return nil
	case pglogrepl.XLogDataByteID:
		xlog, err := pglogrepl.ParseXLogData(data[1:])
		if err != nil {
			return fmt.Errorf("follow the change stream: %w", err)
		}
		return f.applyMessage(xlog.WALData, session)
	}
	return fmt.Errorf("follow the change stream: a message of unknown type %q: %w", data[0], errDesync)
}

func (f *Follower) applyMessage(data []byte, session *live) error {
	message, err := decodeMessage(data)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	done, err := session.stream.apply(message)
	if err != nil {
		return err
	}
	if done.reshaped {
		f.compareSoon = true
		signal(f.wake)
	}
	if done.committed {
		f.publish(session.stream.mirror.state())
		f.lagged(done.at)
		session.advance(done.end)
	}
	return nil
}

// advance notes that everything before a position has been applied.
func (l *live) advance(to pglogrepl.LSN) {
	if uint64(to) > l.position.Load() { // One goroutine writes.
		l.position.Store(uint64(to))
		signal(l.moved)
	}
}

// reached waits until everything before a position has been applied.
func (l *live) reached(ctx context.Context, position pglogrepl.LSN) error {
	for l.position.Load() < uint64(position) {
		l.ask.Store(true)
		select {
		case <-l.moved:
		case <-l.over:
			return errors.New("wait for the change stream to catch up: it ended")
		case <-ctx.Done():
			return errors.New("wait for the change stream to catch up: it took too long")
		}
	}
	return nil
}
