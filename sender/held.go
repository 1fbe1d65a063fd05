package sender

import (
	"slices"
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
	age           time.Duration // Since it was written, at the moment
	claimed       time.Time     // when we claimed it.
}

const (
	// maxWaiting bounds the waits between attempts that are spent in memory.
	maxWaiting = 2048

	// claimsPerSlot is how many deliveries are held for each slot that a
	// webhook may use, so that a slot never idles while more are fetched.
	claimsPerSlot = 8

	// heldPerSlot is how many are held for each slot of all. With fewer, the
	// loads of 64 busy webhooks are cut short, and claims get small and many.
	heldPerSlot = 8
)

// held keeps count of the claimed deliveries, so that memory stays bounded and
// no webhook's backlog fills it. It has more claimed as soon as there is room
// for what it has turned away.
type held struct {
	limit         int // Deliveries that want a slot or have one, in all.
	unprovenLimit int // Those of webhooks that are not proven, together,
	doubtfulLimit int // and of doubtful ones: so that new webhooks have room as well.
	perWebhook    int // Those of one webhook; of one that is not proven, only as
	perUnproven   int // many as it can try soon: all of them may hang.
	standing      func(webhook int64) standing
	look          func(webhook int64) // Has the queue of one webhook looked at,
	lookAll       func()              // or that of all.

	mu         sync.Mutex
	deliveries map[uuid.UUID]*delivery
	flights    map[uuid.UUID]*flight // Those of them that are on their way.
	renewed    time.Time             // When claims were last renewed.

	ready   map[int64]int      // By webhook: want a slot or have one.
	short   map[int64]struct{} // Of those, which had or may have more due than was claimed.
	crowded bool               // The bounds of all left some webhook without.
	total   int
	waiting int
}

func newHeld(o Options, standing func(webhook int64) standing, look func(webhook int64), lookAll func()) *held {
	limit := max(heldPerSlot*o.Concurrency, 64)
	return &held{
		limit:         limit,
		unprovenLimit: limit - limit/4,
		doubtfulLimit: limit / 2,
		perWebhook:    min(claimsPerSlot*o.ConcurrencyPerWebhook, limit/2),
		perUnproven:   min(2*o.ConcurrencyPerWebhook, limit/2),
		standing:      standing,
		look:          look,
		lookAll:       lookAll,
		deliveries:    make(map[uuid.UUID]*delivery),
		flights:       make(map[uuid.UUID]*flight),
		ready:         make(map[int64]int),
		short:         make(map[int64]struct{}),
	}
}

// limitOf is how many deliveries of one webhook may be ready.
func (h *held) limitOf(st standing) int {
	if st == proven {
		return h.perWebhook
	}
	return h.perUnproven
}

// budget is how many deliveries more may be ready, of all webhooks and of those
// of a standing.
type budget struct{ all, unproven, doubtful int }

func (b budget) of(st standing) int {
	switch st {
	case proven:
		return b.all
	case doubtful:
		return min(b.all, b.unproven, b.doubtful)
	default:
		return min(b.all, b.unproven)
	}
}

func (b *budget) spend(st standing, n int) {
	b.all -= n
	if st != proven {
		b.unproven -= n
	}
	if st == doubtful {
		b.doubtful -= n
	}
}

// room returns how many more deliveries may be claimed of each webhook, in the
// same order. Again tells that some could have more in another turn.
func (h *held) room(webhooks []int64) (allowed []int, again bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	left := budget{h.limit, h.unprovenLimit, h.doubtfulLimit}
	for w, n := range h.ready {
		left.spend(h.standing(w), n)
	}
	// Small shares in many turns, so that the first webhooks do not take all,
	// and whoever holds least comes first.
	share := max(left.all/max(len(webhooks), 1), 1)
	order := make([]int, len(webhooks))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return h.ready[webhooks[a]] - h.ready[webhooks[b]] })
	allowed = make([]int, len(webhooks))
	for _, i := range order {
		w := webhooks[i]
		st := h.standing(w)
		limit := h.limitOf(st)
		want := limit - h.ready[w]
		// Fetching one by one would cost a query for each; half a load is
		// fetched at once.
		if want < (limit+1)/2 {
			h.short[w] = struct{}{}
			continue
		}
		can := min(want, left.of(st))
		if can <= 0 {
			h.crowded = true
			continue
		}
		allowed[i] = min(can, share)
		again = again || can > share
		left.spend(st, allowed[i])
	}
	return allowed, again
}

// add takes in what was claimed of webhooks of which so much was allowed.
func (h *held) add(webhooks []int64, allowed []int, claimed []*delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	got := make(map[int64]int, len(webhooks))
	for _, d := range claimed {
		h.deliveries[d.id] = d
		h.count(d.webhook, 1)
		got[d.webhook]++
	}
	for i, w := range webhooks {
		if got[w] > 0 && got[w] == allowed[i] {
			h.short[w] = struct{}{}
		}
	}
}

func (h *held) count(webhook int64, n int) {
	h.total += n
	if h.ready[webhook] += n; h.ready[webhook] == 0 {
		delete(h.ready, webhook)
	}
}

// leave counts a delivery out that was ready, and has more claimed where that
// is the moment: half of its webhook's load is gone, or half of all.
func (h *held) leave(webhook int64) {
	h.count(webhook, -1)
	if _, short := h.short[webhook]; short && h.ready[webhook] <= h.limitOf(h.standing(webhook))/2 {
		delete(h.short, webhook)
		h.look(webhook)
	}
	if h.crowded && h.total <= h.limit/2 {
		h.crowded = false
		h.lookAll()
	}
}

// drop forgets a delivery that was ready.
func (h *held) drop(d *delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.deliveries[d.id] == d { // Given back, it may have been claimed again already.
		delete(h.deliveries, d.id)
	}
	h.leave(d.webhook)
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
	h.leave(d.webhook)
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
