package sender

import (
	"sync"
	"time"

	"github.com/google/uuid"

	"plausible-webhooks/config/event"
)

// delivery is one that this process has claimed. One goroutine owns it.
type delivery struct {
	id            uuid.UUID
	webhook       int64
	event         string
	format        event.Format
	payload       string
	attempts      int // As in its row, so that a fence can be made of it.
	roundAttempts int
	failedRounds  int
}

const (
	// maxWaiting bounds the waits between attempts that are spent in memory.
	maxWaiting = 2048

	// claimsPerSlot is how many deliveries are held for each slot that a
	// webhook may use, so that a slot never idles while more are fetched.
	claimsPerSlot = 8
)

// held keeps count of the claimed deliveries, so that memory stays bounded and
// no webhook's backlog fills it.
type held struct {
	limit         int // Deliveries that want a slot or have one, in all.
	unprovenLimit int // Those of webhooks that are not proven, together.
	perWebhook    int // Those of one webhook; of one that is not proven, only as
	perUnproven   int // many as it can try soon: all of them may hang.
	isProven      func(webhook int64) bool

	mu         sync.Mutex
	deliveries map[uuid.UUID]*delivery
	flights    map[uuid.UUID]*flight // Those of them that are on their way.
	renewed    time.Time             // When claims were last renewed.

	ready   map[int64]int // By webhook: want a slot or have one.
	total   int
	waiting int
}

func newHeld(o Options, isProven func(int64) bool) *held {
	limit := max(4*o.Concurrency, 64)
	return &held{
		limit:         limit,
		unprovenLimit: limit - limit/4,
		perWebhook:    min(claimsPerSlot*o.ConcurrencyPerWebhook, limit/2),
		perUnproven:   min(2*o.ConcurrencyPerWebhook, limit/2),
		isProven:      isProven,
		deliveries:    make(map[uuid.UUID]*delivery),
		flights:       make(map[uuid.UUID]*flight),
		ready:         make(map[int64]int),
	}
}

// room returns how many more deliveries may be claimed of each webhook, in the
// same order, and whether the bounds left some webhook without.
func (h *held) room(webhooks []int64) (allowed []int, short bool) {
	proven := make(map[int64]bool, len(webhooks))
	for _, w := range webhooks {
		proven[w] = h.isProven(w)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	left, unprovenLeft := h.limit-h.total, h.unprovenLimit
	for w, n := range h.ready {
		if known, asked := proven[w]; asked && known || !asked && h.isProven(w) {
			continue
		}
		unprovenLeft -= n
	}
	// Small shares in many turns, so that the first webhooks do not take all.
	share := max(left/max(len(webhooks), 1), 1)
	allowed = make([]int, len(webhooks))
	for i, w := range webhooks {
		limit := h.perUnproven
		if proven[w] {
			limit = h.perWebhook
		}
		// Fetching one by one would cost a query for each; half a load is
		// fetched at once.
		want := limit - h.ready[w]
		if want < (limit+1)/2 {
			short = true
			continue
		}
		want = min(want, share, left)
		if !proven[w] {
			want = min(want, unprovenLeft)
		}
		if want <= 0 {
			short = true
			continue
		}
		allowed[i] = want
		left -= want
		if !proven[w] {
			unprovenLeft -= want
		}
	}
	return allowed, short
}

func (h *held) add(d *delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.deliveries[d.id] = d
	h.count(d.webhook, 1)
}

func (h *held) count(webhook int64, n int) {
	h.total += n
	if h.ready[webhook] += n; h.ready[webhook] == 0 {
		delete(h.ready, webhook)
	}
}

// drop forgets a delivery that was ready. It reports whether that is a moment
// to claim more: at least half of its webhook's load is gone, or half of all.
func (h *held) drop(d *delivery) (claim bool) {
	limit := h.perUnproven
	if h.isProven(d.webhook) {
		limit = h.perWebhook
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.deliveries[d.id] == d { // Given back, it may have been claimed again already.
		delete(h.deliveries, d.id)
	}
	h.count(d.webhook, -1)
	return h.ready[d.webhook] <= limit/2 || h.total <= h.limit/2
}

// beginWait reports whether a wait may be spent in memory; the delivery is
// then not ready until endWait.
func (h *held) beginWait(d *delivery) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting >= maxWaiting {
		return false
	}
	h.waiting++
	h.count(d.webhook, -1)
	return true
}

func (h *held) endWait(d *delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting--
	h.count(d.webhook, 1)
}

// lapsing returns the ids of everything held, unless its claims were renewed
// since a moment: then there is no need to look after them.
func (h *held) lapsing(since time.Time) []uuid.UUID {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.renewed.After(since) {
		return []uuid.UUID{}
	}
	ids := make([]uuid.UUID, 0, len(h.deliveries))
	for id := range h.deliveries {
		ids = append(ids, id)
	}
	return ids
}
