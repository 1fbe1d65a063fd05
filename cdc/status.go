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

	Changed  time.Time `json:"changed_at"`  // When the view last changed; zero: never.
	Compared time.Time `json:"compared_at"` // When a full read was last made the view or found equal to it; zero: never.

	// Lag is how long the last transaction of the change stream took from its
	// commit to the view, by the clocks of both machines; zero: none came yet.
	Lag time.Duration `json:"-"`
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

// compared notes that a full read was made the view, or found equal to it.
func (f *Follower) compared() {
	f.statusMu.Lock()
	defer f.statusMu.Unlock()
	f.status.Compared = f.options.Now()
}

// moved notes that the view has changed.
func (f *Follower) moved() {
	f.statusMu.Lock()
	defer f.statusMu.Unlock()
	f.status.Changed = f.options.Now()
}

// lagged notes how late a transaction of the stream came into the view. Clocks
// that differ can make that negative.
func (f *Follower) lagged(committed time.Time) {
	f.statusMu.Lock()
	defer f.statusMu.Unlock()
	f.status.Lag = max(f.options.Now().Sub(committed), 0)
}
