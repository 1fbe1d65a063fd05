package sender

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errNoSlot means that no slot came free in time.
var errNoSlot = errors.New("no slot came free in time")

// slots bound the attempts in flight: in all, to one webhook, to doubtful
// webhooks together, and to those together with untried ones. Whoever waits is served in turn: webhook by webhook, and
// within one in the order of asking.
type slots struct {
	limit, perWebhook            int
	doubtfulLimit, unprovenLimit int

	mu           sync.Mutex
	used         int
	usedDoubtful int
	usedUnproven int // Doubtful ones included.
	webhooks     map[int64]*webhookSlots
	turn         []*webhookSlots // Those with somebody waiting, the next one first.
}

// standing is what a webhook's last attempt has shown.
type standing int

const (
	untried  standing = iota // There was none since the start.
	proven                   // It succeeded within a second.
	doubtful                 // It failed or took longer.
)

type webhookSlots struct {
	used     int
	standing standing
	inTurn   bool
	waiting  []*slot
}

// slot is one attempt's. It is counted where it was when it was taken.
type slot struct {
	webhook  *webhookSlots
	standing standing
	taken    chan struct{} // Closed when the slot is there.
}

func newSlots(limit, perWebhook int) *slots {
	return &slots{
		limit: limit, perWebhook: perWebhook,
		doubtfulLimit: max(limit/2, 1),
		// Many new webhooks may hang at once; those that do well keep a quarter.
		unprovenLimit: limit - limit/4,
		webhooks:      make(map[int64]*webhookSlots),
	}
}

// take waits for a slot, but no longer than patience. The slot must be given
// back.
func (s *slots) take(ctx context.Context, webhook int64, patience time.Duration) (*slot, error) {
	mine := s.ask(webhook)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-mine.taken:
		return mine, nil
	default:
	}
	var err error
	select {
	case <-mine.taken:
		return mine, nil
	case <-timer.C:
		err = errNoSlot
	case <-ctx.Done():
		err = ctx.Err()
	}
	if s.withdraw(mine) {
		return nil, err
	}
	return mine, nil // It came at the same moment.
}

func (s *slots) ask(webhook int64) *slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.webhooks[webhook]
	if w == nil {
		w = &webhookSlots{}
		s.webhooks[webhook] = w
	}
	mine := &slot{webhook: w, taken: make(chan struct{})}
	w.waiting = append(w.waiting, mine)
	if !w.inTurn {
		w.inTurn = true
		s.turn = append(s.turn, w)
	}
	s.grant()
	return mine
}

// withdraw reports whether the slot had not been given yet.
func (s *slots) withdraw(mine *slot) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, other := range mine.webhook.waiting {
		if other == mine {
			mine.webhook.waiting = append(mine.webhook.waiting[:i:i], mine.webhook.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// giveBack returns a slot with what the attempt has shown: whether it
// succeeded within a second.
func (s *slots) giveBack(mine *slot, well bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine.webhook.standing = doubtful
	if well {
		mine.webhook.standing = proven
	}
	s.drop(mine)
}

// giveBackUnused returns a slot of which nothing was learnt.
func (s *slots) giveBackUnused(mine *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(mine)
}

func (s *slots) drop(mine *slot) {
	s.used--
	mine.webhook.used--
	s.countStanding(mine.standing, -1)
	s.grant()
}

func (s *slots) countStanding(st standing, n int) {
	if st != proven {
		s.usedUnproven += n
	}
	if st == doubtful {
		s.usedDoubtful += n
	}
}

// free reports whether a webhook may have one more slot.
func (s *slots) free(w *webhookSlots) bool {
	return s.used < s.limit && w.used < s.perWebhook &&
		(w.standing == proven || s.usedUnproven < s.unprovenLimit) &&
		(w.standing != doubtful || s.usedDoubtful < s.doubtfulLimit)
}

// grant gives free slots to those who wait, in turn. A webhook that can have
// none now keeps its place.
func (s *slots) grant() {
	for again := true; again && s.used < s.limit; {
		again = false
		kept := s.turn[:0:0]
		var served []*webhookSlots
		for _, w := range s.turn {
			if len(w.waiting) == 0 {
				w.inTurn = false // The last one withdrew.
				continue
			}
			if !s.free(w) {
				kept = append(kept, w)
				continue
			}
			next := w.waiting[0]
			w.waiting = w.waiting[1:]
			next.standing = w.standing
			s.used++
			w.used++
			s.countStanding(next.standing, 1)
			close(next.taken)
			if w.inTurn = len(w.waiting) > 0; w.inTurn {
				served = append(served, w)
			}
			again = true
		}
		s.turn = append(kept, served...)
	}
}

// standingOf is what a webhook's last attempt has shown.
func (s *slots) standingOf(webhook int64) standing {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.webhooks[webhook]; w != nil {
		return w.standing
	}
	return untried
}
