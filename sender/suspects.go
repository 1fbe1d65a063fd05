package sender

import (
	"sync"
	"time"
)

// suspects are webhooks that may have to be disabled, each with the time, by a
// clock that nobody steps, before which a look at it is no use. A webhook becomes one when an attempt
// fails, and is none any more when one succeeds.
type suspects struct {
	mu        sync.Mutex
	notBefore map[int64]time.Time
}

func newSuspects() *suspects { return &suspects{notBefore: make(map[int64]time.Time)} }

// failed makes a suspect of a webhook, to be looked at soon; one that is a
// suspect already keeps its time, which another failure does not bring closer.
func (s *suspects) failed(webhook int64) { s.later(webhook, time.Time{}) }

func (s *suspects) succeeded(webhook int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.notBefore, webhook)
}

// ripe takes those out that are to be looked at. Taken out, they can become
// suspects anew while they are looked at, so that no failure is missed.
func (s *suspects) ripe(now time.Time) []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []int64
	for webhook, from := range s.notBefore {
		if !now.Before(from) {
			found = append(found, webhook)
			delete(s.notBefore, webhook)
		}
	}
	return found
}

// again puts suspects back that were not looked at, or in vain.
func (s *suspects) again(webhooks []int64) {
	for _, webhook := range webhooks {
		s.failed(webhook)
	}
}

// later puts a suspect back; one that has become a suspect meanwhile keeps its
// time.
func (s *suspects) later(webhook int64, from time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.notBefore[webhook]; !known {
		s.notBefore[webhook] = from
	}
}
