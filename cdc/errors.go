package cdc

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// SchemaError says that a table or one of its columns, without which webhooks
// cannot work, is not there. The last good view stays in use.
type SchemaError struct {
	Table  string // With its schema, for example public.goals.
	Column string // Empty: the table itself is missing.
}

// Error names what is missing and what to do.
func (e *SchemaError) Error() string {
	what := fmt.Sprintf("table %s lacks column %s", e.Table, e.Column)
	if e.Column == "" {
		what = fmt.Sprintf("table %s is missing", e.Table)
	}
	if strings.HasPrefix(e.Table, ownSchema+".") {
		return what + ": run plausible-webhooks migrate"
	}
	return what + ": finish the migration of Plausible, or install a release of plausible-webhooks that knows this version of it"
}

// UnavailableError says that the server does not allow replication as it is
// set up, and how to change that. Trying again at once does not help.
type UnavailableError struct {
	Reason string
	Remedy string
	Err    error // The server's error, if there was one.

	// Endangers reports that statements of Plausible itself fail, or can.
	Endangers bool
}

// Error gives the reason and the remedy.
func (e *UnavailableError) Error() string { return e.Reason + "; " + e.Remedy }

// Unwrap returns the server's error.
func (e *UnavailableError) Unwrap() error { return e.Err }

// SlotWaitError says that the replication slot could not be made in time
// because a transaction was still running. It is no fault of the set-up.
type SlotWaitError struct {
	Waited   time.Duration
	Blockers []Blocker // Empty where the server did not tell.
}

// Blocker is a transaction that a new slot has to wait for.
type Blocker struct {
	PID         int32 // Zero: a prepared transaction.
	Application string
	State       string
	Age         time.Duration // Since the transaction began; zero where we may not see it.
}

// Error names the transactions and what to do about them.
func (e *SlotWaitError) Error() string {
	who := "a running transaction"
	if len(e.Blockers) > 0 {
		names := make([]string, len(e.Blockers))
		for i, b := range e.Blockers {
			names[i] = b.describe()
		}
		who = strings.Join(names, ", ")
	}
	return fmt.Sprintf("the replication slot waited %s for %s; it starts when that transaction ends (pg_terminate_backend ends it by force)", e.Waited, who)
}

// who identifies the transactions without what changes from one wait to the
// next.
func (e *SlotWaitError) who() string {
	pids := make([]string, len(e.Blockers))
	for i, b := range e.Blockers {
		pids[i] = fmt.Sprint(b.PID)
	}
	return "slot waits for " + strings.Join(pids, ",")
}

func (b Blocker) describe() string {
	if b.PID == 0 {
		return "a prepared transaction (see pg_prepared_xacts)"
	}
	text := fmt.Sprintf("the transaction of pid %d", b.PID)
	if b.Application != "" {
		text += fmt.Sprintf(" (%s)", b.Application)
	}
	if b.State != "" {
		text += ", " + b.State
	}
	if b.Age > 0 {
		text += fmt.Sprintf(", open for %s", b.Age.Round(time.Second))
	}
	return text
}

// errDesync marks a stream that contradicts the mirror: only a fresh snapshot
// helps.
var errDesync = errors.New("the change stream does not fit the configuration read before")

// errReread ends a session on purpose, so that the next one reads afresh.
var errReread = errors.New("read the configuration afresh")
