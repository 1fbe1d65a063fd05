package cdc

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
)

// compare reads everything afresh while a session streams and holds it against
// the session's mirror. It finds what a stream cannot tell: a table that was
// dropped and made again and so left the publication, a column whose default
// filled in, a bug. Any difference ends the session; the read that follows at
// once mends the view.
//
// The comparison is exact although both sides move. Keys that commits write
// from before the read until the comparison are left out; and the comparison
// waits until the stream has passed the position of the read, so that all
// that the read saw has arrived.
func (s *supervisor) compare(ctx context.Context) {
	s.compareAt = time.Now().Add(s.f.options.ReconcileInterval)
	found, err := s.findDifferences(ctx)
	if ctx.Err() != nil {
		return
	}
	if s.f.hooks.compared != nil {
		defer func() { s.f.hooks.compared(found, err) }()
	}
	session := s.session
	if session == nil || session.end == nil {
		return
	}
	var schema *SchemaError
	var unavailable *UnavailableError
	switch {
	case err == nil && len(found) == 0:
		s.warned, s.why, s.failures = "", "", 0
	case err == nil:
		for _, d := range found {
			s.f.options.Log.Warn("the change stream had missed something; reading afresh",
				"table", d.Table, "added", d.Added, "changed", d.Changed, "removed", d.Removed)
		}
		session.end(errReread)
	case errors.Is(err, errReread):
		session.end(errReread)
	case errors.As(err, &schema), errors.As(err, &unavailable):
		session.end(err)
	default:
		s.f.options.Log.Warn("cannot compare the configuration with the database; trying again", "error", err)
	}
}

func (s *supervisor) findDifferences(ctx context.Context) ([]Difference, error) {
	session := s.f.startNoting()
	if session == nil {
		return nil, nil
	}
	defer s.f.stopNoting(session)
	ctx, cancel := context.WithTimeout(ctx, taskTimeout)
	defer cancel()

	var fresh *mirror
	var position pglogrepl.LSN
	err := s.plain.use(ctx, taskTimeout, func(ctx context.Context, conn *pgx.Conn) error {
		changed, err := ensurePublication(ctx, conn)
		if err != nil {
			return err
		}
		if changed {
			s.f.options.Log.Warn("a table had left the publication and is in it again", "publication", Publication)
			return errReread
		}
		fresh, position, err = read(ctx, conn)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := session.reached(ctx, position); err != nil {
		return nil, err
	}
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return fresh.differencesFrom(session.stream.mirror), nil
}

// startNoting makes the session's mirror note what its commits write. It
// returns nil if no session streams.
func (f *Follower) startNoting() *live {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.streaming == nil || f.streaming.stream == nil {
		return nil
	}
	for _, t := range f.streaming.stream.mirror.all {
		t.startNoting()
	}
	return f.streaming
}

func (f *Follower) stopNoting(session *live) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range session.stream.mirror.all {
		t.stopNoting()
	}
}
