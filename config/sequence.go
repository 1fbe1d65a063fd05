package config

import (
	"iter"
	"sort"
)

// sequence is rows in the order of their keys, in chunks. It never changes; a
// changed one shares the chunks that are still as they were.
type sequence[R any] struct {
	layout *layout[R]
	chunks []*chunk // Of one row at least, each.
	count  int
}

// holder is the chunk that has a key, if any has it, and where it belongs.
func (s *sequence[R]) holder(k key) int {
	after := sort.Search(len(s.chunks), func(i int) bool { return s.chunks[i].first.compare(k) > 0 })
	return max(after-1, 0)
}

// place is where a row stands.
type place struct{ chunk, row int }

// find finds the row with a key. It looks first at the row behind near, any
// place in the sequence or the zero one.
func (s *sequence[R]) find(k key, near place) (place, bool) {
	if len(s.chunks) == 0 {
		return place{}, false
	}
	if next := near.row + 1; next < s.chunks[near.chunk].len() && s.chunks[near.chunk].key(next) == k {
		return place{near.chunk, next}, true
	}
	at := s.holder(k)
	c := s.chunks[at]
	i := c.find(k)
	return place{at, i}, i < c.len() && c.key(i) == k
}

func (s *sequence[R]) row(at place) R { return s.layout.row(s.chunks[at.chunk], at.row) }

func (s *sequence[R]) get(k key) (row R, ok bool) {
	at, ok := s.find(k, place{})
	if ok {
		row = s.row(at)
	}
	return row, ok
}

// from yields the rows whose keys are not less than k.
func (s *sequence[R]) from(k key) iter.Seq[R] {
	return func(yield func(R) bool) {
		if len(s.chunks) == 0 {
			return
		}
		at := s.holder(k)
		begin := s.chunks[at].find(k)
		for _, c := range s.chunks[at:] {
			for i := begin; i < c.len(); i++ {
				if !yield(s.layout.row(c, i)) {
					return
				}
			}
			begin = 0
		}
	}
}

func (s *sequence[R]) all() iter.Seq[R] {
	return func(yield func(R) bool) {
		for _, c := range s.chunks {
			for i := range c.len() {
				if !yield(s.layout.row(c, i)) {
					return
				}
			}
		}
	}
}

// changedSince yields the rows that are absent or different in before. Chunks
// that both share are skipped unread.
func (s *sequence[R]) changedSince(before *sequence[R]) iter.Seq[R] {
	return func(yield func(R) bool) {
		for _, c := range s.chunks {
			if len(before.chunks) > 0 && before.chunks[before.holder(c.first)] == c {
				continue
			}
			for i := range c.len() {
				row := s.layout.row(c, i)
				if was, ok := before.get(c.key(i)); ok && s.layout.equal(was, row) {
					continue
				}
				if !yield(row) {
					return
				}
			}
		}
	}
}

// differs tells whether changes change anything.
func (s *sequence[R]) differs(changes []Change[R]) bool {
	for i := range changes {
		was, known := s.get(s.layout.of(changes[i]))
		if known == changes[i].Gone || known && !s.layout.equal(was, changes[i].Row) {
			return true
		}
	}
	return false
}

// with returns the sequence after changes, which are in the order of their
// keys. It calls note with each row that really changes: before is nil where a
// row is new, after where it is gone.
func (s *sequence[R]) with(changes []Change[R], note func(before, after *R)) *sequence[R] {
	if !s.differs(changes) {
		return s
	}
	n := rewriting[R]{
		layout: s.layout, note: note, packer: newPacker(), count: s.count,
		chunks: make([]*chunk, 0, len(s.chunks)+2+len(changes)/fullChunk),
		rows:   make([]R, 0, fullChunk+thinChunk),
	}
	kept := 0
	for len(changes) > 0 {
		at, here := 0, len(changes)
		if len(s.chunks) == 0 {
			n.merge(&chunk{}, changes)
		} else {
			at = s.holder(s.layout.of(changes[0]))
			if at+1 < len(s.chunks) {
				next := s.chunks[at+1].first
				here = sort.Search(len(changes), func(i int) bool { return s.layout.of(changes[i]).compare(next) >= 0 })
			}
			n.keep(s.chunks[kept:at])
			n.merge(s.chunks[at], changes[:here])
			kept = at + 1
		}
		if len(n.rows) >= thinChunk && kept < len(s.chunks) {
			n.split(len(n.rows) / 2)
		}
		changes = changes[here:]
	}
	n.keep(s.chunks[kept:])
	n.split(fullChunk) // Rows behind all others: mostly more will follow them.
	return &sequence[R]{layout: s.layout, chunks: n.chunks, count: n.count}
}

// rewriting is a sequence in the making.
type rewriting[R any] struct {
	layout *layout[R]
	note   func(before, after *R)
	packer *packer
	chunks []*chunk
	rows   []R // They come behind the chunks, and are less than two chunks.
	count  int
}

// keep takes chunks over as they are, but for the one that has to take in rows
// that are too few for a chunk of their own.
func (n *rewriting[R]) keep(chunks []*chunk) {
	if len(chunks) > 0 && len(n.rows) > 0 {
		n.merge(chunks[0], nil)
		n.split(len(n.rows) / 2)
		chunks = chunks[1:]
	}
	n.chunks = append(n.chunks, chunks...)
}

// merge takes the rows of a chunk over, with changes.
func (n *rewriting[R]) merge(c *chunk, changes []Change[R]) {
	alone, changed := len(n.rows) == 0, false
	for i := 0; i < c.len() || len(changes) > 0; {
		order := 1 // Of the chunk's next row to the next change.
		if len(changes) == 0 {
			order = -1
		} else if i < c.len() {
			order = c.key(i).compare(n.layout.of(changes[0]))
		}
		if order < 0 {
			n.add(n.layout.row(c, i))
			i++
			continue
		}
		var was *R
		if order == 0 {
			row := n.layout.row(c, i)
			was = &row
			i++
		}
		changed = n.change(was, &changes[0]) || changed
		changes = changes[1:]
	}
	if alone && !changed {
		n.rows = n.rows[:0]
		n.chunks = append(n.chunks, c)
	}
}

// change takes the next row over as it is after a change, and tells whether it
// was another one before.
func (n *rewriting[R]) change(was *R, c *Change[R]) bool {
	switch {
	case c.Gone && was == nil:
		return false
	case c.Gone:
		n.count--
		n.note(was, nil)
		return true
	case was != nil && n.layout.equal(*was, c.Row):
		n.add(*was)
		return false
	case was == nil:
		n.count++
	}
	n.add(c.Row)
	n.note(was, &c.Row)
	return true
}

func (n *rewriting[R]) add(row R) {
	if len(n.rows) == 2*fullChunk {
		n.pack(fullChunk)
	}
	n.rows = append(n.rows, row)
}

// split makes chunks of the rows; of two, the first has so many.
func (n *rewriting[R]) split(first int) {
	if len(n.rows) > fullChunk {
		n.pack(first)
	}
	n.pack(len(n.rows))
}

// pack makes a chunk of the first rows.
func (n *rewriting[R]) pack(count int) {
	if count == 0 {
		return
	}
	for _, row := range n.rows[:count] {
		n.packer.begin(n.layout.key(row))
		n.layout.pack(n.packer, row)
	}
	n.chunks = append(n.chunks, n.packer.end())
	n.rows = append(n.rows[:0], n.rows[count:]...)
}
