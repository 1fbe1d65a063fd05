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
// The read begins from the state of the session's mirror and keeps only what
// differs from it, so there is no second copy of the tables; in which rows it
// differs, what both share tells without being looked at.
//
// The comparison is exact although both sides move. The mirror begins to note
// the keys that commits write in the moment in which its state is taken, before
// the read. The comparison waits until the stream has passed the position of
// the read, and leaves the noted keys out. For any other key the mirror still
// has the value that it had when noting began, and the read found the value of
// its snapshot, whatever state it began from. A commit that lies between the
// two has been delivered by now, so that its keys are noted. Therefore the two
// values are equal unless the stream has missed something.
//
// One commit can be delivered before a snapshot sees it: one that is written
// already while its backend still waits, say for a synchronous standby. If
// noting begins and the read is done within that wait, it counts as missed, at
// the cost of a needless read.
func (s *supervisor) compare(ctx context.Context) {
	began := time.Now()
	s.compareAt = began.Add(s.f.options.ReconcileInterval)
	beside, leave := s.besideSession(ctx)
	defer leave()
	found, err := s.findDifferences(beside)
	if ctx.Err() != nil || err != nil && beside.Err() != nil {
		return // Or the session has ended, and the next one reads everything.
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
		s.f.compared()
		if _, news := s.comparing.End(); news {
			s.f.options.Log.Info("the configuration is compared with the database again")
		}
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
	case s.comparing.Begin(began, err):
		s.f.options.Log.Warn("cannot compare the configuration with the database; trying again", "error", err)
	}
}

func (s *supervisor) findDifferences(ctx context.Context) ([]Difference, error) {
	session, known := s.f.startNoting()
	if session == nil {
		return nil, nil
	}
	defer s.f.stopNoting(session)
	ctx, cancel := context.WithTimeout(ctx, taskTimeout)
	defer cancel()

	fresh := newMirror(known)
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
		position, err = read(ctx, conn, fresh)
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

// startNoting makes the session's mirror note what its commits write, and
// returns its state at this moment. The session is nil if none streams.
func (f *Follower) startNoting() (*live, state) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.streaming == nil || f.streaming.stream == nil {
		return nil, state{}
	}
	m := f.streaming.stream.mirror
	for _, t := range m.all {
		t.startNoting()
	}
	return f.streaming, m.state()
}

func (f *Follower) stopNoting(session *live) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range session.stream.mirror.all {
		t.stopNoting()
	}
}
