package cdc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"plausible-webhooks/config/outage"
)

const (
	// firstPause and longestPause bound the doubling wait after a session that
	// ended for a passing reason, and after a read that failed.
	firstPause   = time.Second
	longestPause = 30 * time.Second

	// steadyAfter is how long a session must have lived to count as a success.
	steadyAfter = time.Minute

	// taskTimeout bounds everything done on the ordinary connection.
	taskTimeout = 30 * time.Second
)

// supervisor decides what is done next. It runs in one goroutine, with the
// ordinary connection, next to at most one session.
type supervisor struct {
	f     *Follower
	plain plain

	pollAt, compareAt, custodyAt, sessionAt time.Time

	session      *running
	pollFailures int
	failures     int    // Of sessions, in a row.
	followed     bool   // Nothing was missed since the last view; false at the start.
	pollWorks    bool   // The last read succeeded: the server is there and understood.
	why          string // Why no session streams; empty: none was tried yet.
	warned       string // The last warning about replication, which is not repeated.

	// interrupted is a warning about a session that ended: told once a read
	// succeeds. If it does not, then the server is away, which says it all.
	interrupted func()

	reading, comparing, keeping outage.Outage // Each with the ordinary connection: poll, compare, custody.
}

// running is a session in its goroutine.
type running struct {
	began time.Time
	lasts context.Context // Ends with the session; nil: it never began.
	end   context.CancelCauseFunc
	ended chan error // Of size one.
}

func newSupervisor(f *Follower) *supervisor {
	return &supervisor{f: f, plain: plain{config: plainConfig(f.options.Connect)}}
}

// stop ends what run has left and waits for it.
func (s *supervisor) stop() {
	if s.session != nil {
		s.session.end(context.Canceled)
		<-s.session.ended
		s.session = nil
	}
	s.plain.close()
}

func (s *supervisor) run(ctx context.Context) {
	for ctx.Err() == nil {
		s.work(ctx)
		s.wait(ctx)
	}
}

// work does all that is due. The order matters at the start: first a view, then
// a session, then what can wait.
func (s *supervisor) work(ctx context.Context) {
	streams, compareSoon, ownersMoved := s.f.takeDemands()
	if !streams && s.due(s.pollAt) {
		s.poll(ctx)
	}
	if s.f.options.Source != SourcePoll && s.session == nil && s.pollWorks && s.due(s.sessionAt) && ctx.Err() == nil {
		s.startSession(ctx)
	}
	if streams && (compareSoon || s.due(s.compareAt)) {
		s.compare(ctx)
	}
	switch {
	case s.f.View() == nil || !ownersMoved && !s.due(s.custodyAt):
	case s.away():
		s.custodyAt = time.Now() // Due as soon as the server is back.
	default:
		s.custody(ctx)
		if ownersMoved {
			s.custodyAt = earlier(s.custodyAt, time.Now().Add(secondLook))
		}
	}
}

// secondLook is how long after a change of sites or webhooks custody looks once
// more: a commit can be delivered before a statement sees it, and nothing else
// would tell of it for minutes.
const secondLook = time.Second

// away reports whether the last read failed. Then nothing else is tried with the
// ordinary connection: it would only say the same once more.
func (s *supervisor) away() bool {
	_, away := s.reading.Present()
	return away && !s.f.streams()
}

func (s *supervisor) due(at time.Time) bool { return !time.Now().Before(at) }

// takeDemands reads and clears what others asked for.
func (f *Follower) takeDemands() (streams, compareSoon, ownersMoved bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	streams = f.streaming != nil
	compareSoon, ownersMoved = f.compareSoon && streams, f.ownersMoved
	f.compareSoon, f.ownersMoved = false, false
	return streams, compareSoon, ownersMoved
}

// wait returns when something is due, was asked for, or has ended.
func (s *supervisor) wait(ctx context.Context) {
	next := s.custodyAt
	var ended chan error
	if s.session != nil {
		ended = s.session.ended
	}
	streams := s.f.streams()
	if streams {
		next = earlier(next, s.compareAt)
	} else {
		next = earlier(next, s.pollAt)
	}
	if s.f.View() == nil || s.away() {
		next = s.pollAt
	}
	if s.f.options.Source != SourcePoll && s.session == nil && s.pollWorks {
		next = earlier(next, s.sessionAt)
	}
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-s.f.wake:
	case err := <-ended:
		s.sessionEnded(ctx, err)
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (f *Follower) streams() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.streaming != nil
}

// poll reads everything and makes it the view, unless a session took over
// meanwhile. After a break custody comes first: what is caught up from the time
// of the break is not for the team that has given the site away in it.
func (s *supervisor) poll(ctx context.Context) {
	known := s.f.known()
	fresh, err := s.readAfresh(ctx, known)
	if err == nil && !s.followed && s.custody(ctx) {
		fresh, err = s.readAfresh(ctx, known)
	}
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		s.pollFailed(err)
		return
	}
	s.followed = true
	if lasted, news := s.reading.End(); news {
		s.f.options.Log.Info("the configuration can be read again", "after", lasted.Round(time.Second).String())
		s.interrupted = nil
	}
	if s.interrupted != nil {
		s.interrupted()
		s.interrupted = nil
	}
	s.pollWorks, s.pollFailures = true, 0
	s.pollAt = time.Now().Add(s.f.options.PollInterval)

	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if s.f.streaming != nil {
		return
	}
	if s.f.state != known { // A session came and went: what it left may be newer.
		s.pollAt = time.Now()
		return
	}
	s.f.publish(fresh.state())
	s.f.confirm()
	s.f.compared()
	s.reportPolling()
}

func (s *supervisor) readAfresh(ctx context.Context, known state) (*mirror, error) {
	fresh := newMirror(known)
	err := s.plain.use(ctx, taskTimeout, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := read(ctx, conn, fresh)
		return err
	})
	return fresh, err
}

// pollFailed retries soon at first: most failures are restarts.
func (s *supervisor) pollFailed(err error) {
	s.pollWorks, s.followed = false, false
	s.pollFailures++
	pause := min(backOff(s.pollFailures), s.f.options.PollInterval)
	s.pollAt = time.Now().Add(pause)
	err = fmt.Errorf("read the configuration: %w", err)
	if s.reading.Begin(time.Now(), err) {
		s.f.options.Log.Error("cannot read the configuration; the last one stays in use", "error", err)
	} else {
		s.f.options.Log.Debug("the configuration cannot be read yet", "error", err)
	}
	s.f.setStatus(ModePoll, false, err.Error())
}

// reportPolling sets the status while reads succeed and no session streams.
func (s *supervisor) reportPolling() {
	source := s.f.options.Source
	why := s.why
	if why == "" && source != SourcePoll {
		why = "replication is being set up"
	}
	s.f.setStatus(ModePoll, source != SourceReplication, why)
}

// backOff is the pause after the n-th failure in a row.
func backOff(n int) time.Duration {
	return min(firstPause<<min(n-1, 10), longestPause)
}

// startSession prepares the server as far as we may, and lets a session run.
func (s *supervisor) startSession(ctx context.Context) {
	err := s.plain.use(ctx, taskTimeout, func(ctx context.Context, conn *pgx.Conn) error {
		if err := checkServer(ctx, conn); err != nil {
			return err
		}
		changed, err := ensurePublication(ctx, conn)
		if changed {
			s.f.options.Log.Info("made or completed the publication", "publication", Publication)
		}
		return err
	})
	session := &running{began: time.Now(), ended: make(chan error, 1)}
	s.session = session
	if err != nil {
		s.sessionEnded(ctx, err)
		return
	}
	sessionCtx, end := context.WithCancelCause(ctx)
	session.lasts, session.end = sessionCtx, end
	s.compareAt = time.Now().Add(s.f.options.PollInterval)
	go func() {
		defer end(nil)
		session.ended <- s.f.runSession(sessionCtx, end)
	}()
}

// sessionEnded decides when the next session starts and what people are told.
func (s *supervisor) sessionEnded(ctx context.Context, err error) {
	session := s.session
	s.session = nil
	if ctx.Err() != nil {
		return
	}
	now := time.Now()
	s.pollAt = now
	s.followed = false
	if now.Sub(session.began) >= steadyAfter {
		s.failures = 0
	}
	var unavailable *UnavailableError
	var slotWait *SlotWaitError
	every := s.f.options.PollInterval.String()
	switch {
	case errors.Is(err, errReread):
		s.why = "the configuration is read afresh"
		s.sessionAt = now
	case errors.As(err, &unavailable):
		s.why = unavailable.Error()
		s.sessionAt = now.Add(s.f.options.RetryInterval)
		s.warn(s.why, "replication is not available; reading the configuration every "+every+" instead",
			"reason", unavailable.Reason, "remedy", unavailable.Remedy)
	case errors.As(err, &slotWait):
		s.failures++
		s.why = err.Error()
		s.sessionAt = now.Add(backOff(s.failures))
		s.warn(slotWait.who(), "replication has to wait; reading the configuration every "+every+" until then", "reason", s.why)
	default:
		// What cut the session off may have cut this one off too, silently.
		s.plain.close()
		s.failures++
		s.why = fmt.Sprintf("replication was interrupted: %v", err)
		s.sessionAt = now.Add(backOff(s.failures))
		why := s.why
		s.interrupted = func() {
			s.warn(why, "replication was interrupted; reading the configuration every "+every+" until it works again", "error", err)
		}
	}
	if s.pollWorks {
		s.reportPolling()
	}
}

// warn says a thing once, until another is to be said or a session has worked.
func (s *supervisor) warn(thing, message string, args ...any) {
	if thing != s.warned {
		s.warned = thing
		s.f.options.Log.Warn(message, args...)
	}
}

// besideSession is for what is done with the ordinary connection while there is a
// session: it ends when that does. What breaks the one connection breaks the
// other, and often without a sign, for which the session alone looks out.
func (s *supervisor) besideSession(ctx context.Context) (beside context.Context, leave func()) {
	beside, cancel := context.WithCancel(ctx)
	if s.session == nil || s.session.lasts == nil {
		return beside, cancel
	}
	stop := context.AfterFunc(s.session.lasts, cancel)
	return beside, func() {
		stop()
		cancel()
	}
}

// custody keeps our webhooks in step with the sites that own them. It reports
// whether that changed what a read finds.
func (s *supervisor) custody(ctx context.Context) (changed bool) {
	began := time.Now()
	s.custodyAt = began.Add(s.f.options.ReconcileInterval)
	beside, leave := s.besideSession(ctx)
	defer leave()
	var done custodyResult
	err := s.plain.use(beside, taskTimeout, func(ctx context.Context, conn *pgx.Conn) (err error) {
		now, err := serverTime(ctx, conn)
		if err != nil {
			return err
		}
		done, err = keepCustody(ctx, conn, now)
		return err
	})
	if ctx.Err() != nil {
		return false
	}
	done.report(s.f.options.Log)
	changed = done.Transferred+done.Purged > 0
	if changed && !s.f.streams() {
		s.pollAt = time.Now() // What was changed here need not wait for the next read.
	}
	if err != nil && beside.Err() != nil {
		s.custodyAt = time.Now() // Due as soon as the session's end is dealt with.
		return changed
	}
	if err == nil {
		if _, news := s.keeping.End(); news {
			s.f.options.Log.Info("webhooks are in step with their sites again")
		}
	} else if s.keeping.Begin(began, err) {
		s.f.options.Log.Warn("cannot bring webhooks in step with their sites; trying again", "error", err)
	}
	if s.f.hooks.custody != nil {
		s.f.hooks.custody(err)
	}
	return changed
}
