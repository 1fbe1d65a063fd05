// Package outage tells an operator of something that goes wrong twice: when it
// begins and when it is over, however often it is met in between. It neither
// logs nor tries anything again; those who meet the trouble do.
package outage

import (
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Outage is one thing that goes wrong, such as a database that is away. The
// zero value is that all is well. It is safe for concurrent use.
type Outage struct {
	mu     sync.Mutex // Guards what follows.
	since  time.Time  // Zero: all is well.
	ended  time.Time  // When the last one was over; zero: there was none.
	reason string
}

// Present is an outage that lasts.
type Present struct {
	Since  time.Time
	Reason string // Of the error that it was met with last; for people.
}

// Begin notes an error of something that was asked at a moment, and reports
// whether that is news. What was asked before the last trouble ended belongs to
// that one: its answer was only slow to come.
func (t *Outage) Begin(asked time.Time, err error) (news bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if asked.Before(t.ended) {
		return false
	}
	t.reason = err.Error()
	if !t.since.IsZero() {
		return false
	}
	t.since = time.Now()
	return true
}

// End notes that it works, and reports whether that is news.
func (t *Outage) End() (lasted time.Duration, news bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.since.IsZero() {
		return 0, false
	}
	t.ended = time.Now()
	lasted = t.ended.Sub(t.since)
	t.since, t.reason = time.Time{}, ""
	return lasted, true
}

// Present returns the trouble that lasts, if there is one.
func (t *Outage) Present() (Present, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Present{Since: t.since, Reason: t.reason}, !t.since.IsZero()
}

// Away reports whether an error of PostgreSQL is that there is no server to be
// asked: no answer, or one that is starting, stopping or has no connection left.
// Anything else is about what was asked.
func Away(err error) bool {
	said, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || len(said.Code) != 5 {
		return true
	}
	switch said.Code[:2] {
	case "08", "53", "57", "58": // Connection, resources, intervention, system.
		return said.Code != "57014" // A statement was cancelled, by a time limit.
	}
	return false
}
