package cdc

import "time"

// Mode is how changes reach the view at present.
type Mode string

// The modes.
const (
	ModeReplication Mode = "replication" // By the change stream, within a second.
	ModePoll        Mode = "poll"        // By reading everything every few seconds.
)

// Status tells how well the configuration is followed.
type Status struct {
	Mode Mode `json:"mode"`

	// Healthy is false while the view may be out of date: the database is
	// away, its schema is not understood, or replication was asked for and
	// does not work. Polling as a fallback is healthy.
	Healthy bool `json:"healthy"`

	// Reason says, for people, why the status is not healthy, or why it is
	// polling that goes on; empty when there is nothing to say. It holds no
	// secret.
	Reason string `json:"reason,omitempty"`

	Since     time.Time `json:"since"`        // When mode, health or reason last changed.
	Confirmed time.Time `json:"confirmed_at"` // When the view was last known to be the present state; zero: never.
	Revision  uint64    `json:"revision"`     // Of the present view; zero: none yet.
}

// Status returns the present status. It is safe for concurrent use.
func (f *Follower) Status() Status {
	f.statusMu.Lock()
	defer f.statusMu.Unlock()
	status := f.status
	if view := f.View(); view != nil {
		status.Revision = view.Revision
	}
	return status
}

func (f *Follower) setStatus(mode Mode, healthy bool, reason string) {
	f.statusMu.Lock()
	changed := f.status.Mode != mode || f.status.Healthy != healthy || f.status.Reason != reason
	if changed {
		f.status.Mode, f.status.Healthy, f.status.Reason = mode, healthy, reason
		f.status.Since = f.options.Now()
	}
	f.statusMu.Unlock()
	if changed && f.hooks.status != nil {
		f.hooks.status()
	}
}

// confirm notes that the view is the present state.
func (f *Follower) confirm() {
	f.statusMu.Lock()
	defer f.statusMu.Unlock()
	f.status.Confirmed = f.options.Now()
}
