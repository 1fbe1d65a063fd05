package sender

import (
	"time"

	"plausible-webhooks/config/outage"
)

// stoodStill notes that PostgreSQL did not do what it was asked at a moment.
// Whatever meets that first tells it, once.
func (s *Sender) stoodStill(asked time.Time, err error) {
	if s.database.Begin(asked, err) {
		s.log.Error("the queue stands still until PostgreSQL works; nothing is lost", "error", err)
	} else {
		s.log.Debug("PostgreSQL does not work yet", "error", err)
	}
}

// worked notes that the queue was read.
func (s *Sender) worked() {
	if lasted, news := s.database.End(); news {
		s.log.Info("the queue goes on: PostgreSQL works again", "after", lasted.Round(time.Second).String())
	}
}

// Trouble is why the queue stands still; nil: it does not.
func (s *Sender) Trouble() *outage.Present {
	if t, ok := s.database.Present(); ok {
		return &t
	}
	return nil
}

// chore is something that is done again and again.
type chore struct {
	name    string // For people.
	every   time.Duration
	after   time.Duration // Before its first time; zero: that is at once.
	trouble outage.Outage
}

// done tells once when a chore fails, and once when it works again. Where the
// database is away nothing works, which is told by itself.
func (s *Sender) done(c *chore, began time.Time, err error) {
	away := s.Trouble() != nil
	switch {
	case err == nil:
		if lasted, news := c.trouble.End(); news {
			s.log.Info("works again", "what", c.name, "after", lasted.Round(time.Second).String())
		}
	case outage.Away(err) && time.Since(began) < taskLimit:
		s.stoodStill(began, err)
	case !away && c.trouble.Begin(began, err):
		s.log.Warn("does not work, trying again", "what", c.name, "error", err)
	}
}
