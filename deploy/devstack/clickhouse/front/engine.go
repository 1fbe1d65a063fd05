package front

import "time"

// Engine runs SQL. Its methods may be called concurrently.
type Engine interface {
	// Session opens a session with default settings and no parameters.
	Session() (Session, error)
	// Version is the engine's version, at least "major.minor.patch".
	Version() string
}

// Session is used by one goroutine, and closed by it.
type Session interface {
	// Run runs one statement. Without a FORMAT clause the result has the given
	// format. Errors of the engine read "Code: N. DB::Exception: …".
	Run(sql, format string) (Answer, error)
	Close()
}

// Answer is what a statement yielded.
type Answer struct {
	Body                []byte
	ResultRows          uint64
	ReadRows, ReadBytes uint64 // From tables; written rows count for some inserts.
	Elapsed             time.Duration
}
