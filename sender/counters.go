package sender

import "time"

// Counters are what a sender has done since its start, and what it does at the
// moment, for metrics.
type Counters struct {
	DisabledFailing int64     // Webhooks disabled because nothing succeeded for too long,
	DisabledGone    int64     // and because their receiver answered 410.
	Purged          int64     // Deliveries deleted because of their age or their number.
	PurgedAt        time.Time // When this process last looked for such; zero: never, for one of several does.

	Slots, SlotsUsed  int // Attempts that may be in flight, and those that are.
	SlotsUsedDoubtful int // Of these, to webhooks whose last attempt failed or was slow.
	Claimed           int // Deliveries that this process holds.
	Unusable          int // Webhooks whose deliveries wait since a secret or header of theirs cannot be opened.
}

// Counters returns what the sender has done up to now.
func (s *Sender) Counters() Counters {
	c := Counters{
		DisabledFailing: s.disabledFailing.Load(), DisabledGone: s.disabledGone.Load(), Purged: s.purged.Load(),
		Slots: s.options.Concurrency,
	}
	if at := s.purgedAt.Load(); at != 0 {
		c.PurgedAt = time.Unix(0, at)
	}
	s.slots.mu.Lock()
	c.SlotsUsed, c.SlotsUsedDoubtful = s.slots.used, s.slots.usedDoubtful
	s.slots.mu.Unlock()
	s.held.mu.Lock()
	c.Claimed = len(s.held.deliveries)
	s.held.mu.Unlock()
	s.explained.Range(func(any, any) bool { c.Unusable++; return true })
	return c
}
