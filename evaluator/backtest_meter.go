package evaluator

import "plausible-webhooks/evaluator/stats"

// meter measures what a condition is about, within a window that ends at the
// moment of each question. Moments never go back.
type meter interface {
	add(stats.Visit)
	at(now int64) observation
}

// visitorsWithin counts the different visitors within a window.
type visitorsWithin struct {
	window int64
	last   map[uint64]int64 // When each visitor was last seen.
	queue  []sighting       // By time; one for each visitor's last, and outdated ones.
	head   int              // Before it the queue is used up.
}

type sighting struct {
	second int64
	user   uint64
}

func newVisitorsWithin(window int64) *visitorsWithin {
	return &visitorsWithin{window: window, last: map[uint64]int64{}}
}

func (m *visitorsWithin) add(v stats.Visit) {
	m.last[v.User] = v.Second
	m.queue = append(m.queue, sighting{v.Second, v.User})
	if len(m.queue) >= 2*len(m.last)+compactFrom {
		m.compact()
	}
}

// compactFrom keeps short queues from being compacted all the time.
const compactFrom = 4096

// compact drops what is used up or outdated, so that memory grows with the
// visitors of a window, however often they come.
func (m *visitorsWithin) compact() {
	kept := m.queue[:0]
	for _, s := range m.queue[m.head:] {
		if m.last[s.user] == s.second {
			kept = append(kept, s)
		}
	}
	m.queue, m.head = kept, 0
}

func (m *visitorsWithin) at(now int64) observation {
	for m.head < len(m.queue) && m.queue[m.head].second < now-m.window {
		s := m.queue[m.head]
		if m.last[s.user] == s.second {
			delete(m.last, s.user)
		}
		m.head++
	}
	return observation{value: len(m.last), mayFire: true}
}

// liveVisitors are the visitors of a site that must have had an event in the
// days before the window.
type liveVisitors struct {
	visitorsWithin
	native int64   // Nothing before it counts.
	inside []int64 // The seconds with events within the window.
	last   int64   // The newest event before the window; zero: none.
}

func (m *liveVisitors) add(v stats.Visit) {
	m.visitorsWithin.add(v)
	if n := len(m.inside); n == 0 || m.inside[n-1] != v.Second {
		m.inside = append(m.inside, v.Second)
	}
}

func (m *liveVisitors) at(now int64) observation {
	seen := m.visitorsWithin.at(now)
	from := now - m.window
	for len(m.inside) > 0 && m.inside[0] < from {
		m.last, m.inside = m.inside[0], m.inside[1:]
	}
	seen.mayFire = from >= m.native && m.last != 0 && m.last >= max(from-quietSeconds, m.native)
	return seen
}

// rowsWithin counts the rows within a window.
type rowsWithin struct {
	window int64
	queue  []second
	sum    int
}

func (m *rowsWithin) add(v stats.Visit) {
	m.queue = append(m.queue, second{v.Second, int64(v.Rows)})
	m.sum += v.Rows
}

func (m *rowsWithin) at(now int64) observation {
	for len(m.queue) > 0 && m.queue[0].at() < now-m.window {
		m.sum -= int(m.queue[0].rows())
		m.queue = m.queue[1:]
	}
	return observation{value: m.sum, mayFire: true}
}
