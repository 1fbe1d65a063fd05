package sender

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func mustTake(t *testing.T, s *slots, webhook int64) *slot {
	t.Helper()
	mine, err := s.take(t.Context(), webhook, 0)
	if err != nil {
		t.Fatalf("webhook %d: %v", webhook, err)
	}
	return mine
}

func mustNotTake(t *testing.T, s *slots, webhook int64) {
	t.Helper()
	if _, err := s.take(t.Context(), webhook, time.Millisecond); !errors.Is(err, errNoSlot) {
		t.Fatalf("webhook %d: got %v, want no slot", webhook, err)
	}
}

func prove(t *testing.T, s *slots, webhooks ...int64) {
	t.Helper()
	for _, w := range webhooks {
		s.giveBack(mustTake(t, s, w), true)
	}
}

func TestSlotBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(6, 2)
		prove(t, s, 1, 2, 3)
		mustTake(t, s, 1)
		mustTake(t, s, 1)
		mustNotTake(t, s, 1) // Its own bound.
		mustTake(t, s, 2)
		mustTake(t, s, 2)
		mustTake(t, s, 3)
		last := mustTake(t, s, 3)
		mustNotTake(t, s, 4) // The bound of all.
		s.giveBack(last, true)
		mustTake(t, s, 4)
	})
}

func TestDoubtfulWebhooksShareHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(8, 4)
		prove(t, s, 1, 2)
		for _, w := range []int64{8, 9} {
			s.giveBack(mustTake(t, s, w), false)
		}
		first := mustTake(t, s, 8)
		for _, w := range []int64{8, 9, 9} {
			mustTake(t, s, w)
		}
		mustNotTake(t, s, 8)
		mustNotTake(t, s, 9)
		// Untried ones may have two more, which leaves a quarter.
		mustTake(t, s, 20)
		untried := mustTake(t, s, 21)
		mustNotTake(t, s, 22)
		mustTake(t, s, 1)
		mustTake(t, s, 2)
		mustNotTake(t, s, 1)
		s.giveBack(first, true)
		mustTake(t, s, 8) // It has proven itself, and takes no doubtful slot now.
		s.giveBack(untried, false)
		mustTake(t, s, 22)
	})
}

func TestOneSlotIsEnoughForDoubtfulWebhooks(t *testing.T) {
	s := newSlots(1, 1)
	s.giveBack(mustTake(t, s, 1), false)
	mustTake(t, s, 1)
}

func TestWaitersAreServedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1, 1)
		prove(t, s, 1, 2, 3)
		busy := mustTake(t, s, 1)
		var mu sync.Mutex
		var order []int64
		var done sync.WaitGroup
		for _, w := range []int64{1, 1, 1, 2, 2, 3} {
			done.Go(func() {
				mine, err := s.take(t.Context(), w, time.Hour)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, w)
				mu.Unlock()
				s.giveBack(mine, true)
			})
			synctest.Wait()
		}
		s.giveBack(busy, true)
		done.Wait()
		want := []int64{1, 2, 3, 1, 2, 1}
		for i := range want {
			if order[i] != want[i] {
				t.Fatalf("got %v, want %v", order, want)
			}
		}
	})
}

func TestSlotWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1, 1)
		busy := mustTake(t, s, 1)
		began := time.Now()
		if _, err := s.take(t.Context(), 2, slotPatience); !errors.Is(err, errNoSlot) || time.Since(began) != slotPatience {
			t.Errorf("got %v after %s, want no slot after %s", err, time.Since(began), slotPatience)
		}
		stop, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.take(stop, 2, slotPatience); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
		// Those who went away hold nothing.
		s.giveBack(busy, true)
		s.giveBackUnused(mustTake(t, s, 2))
		s.giveBack(mustTake(t, s, 3), true)
		if s.used != 0 || s.usedUnproven != 0 || len(s.turn) != 0 {
			t.Errorf("got %d used, %d unproven, %d waiting, want none", s.used, s.usedUnproven, len(s.turn))
		}
	})
}
