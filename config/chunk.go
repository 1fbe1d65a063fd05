package config

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

const (
	// fullChunk is how many rows a chunk holds at most. A change of one row
	// packs its chunk anew, which bounds the size from above; what is paid for
	// each chunk bounds it from below. It also keeps a packed chunk under 64 KiB:
	// no row is longer than 200 bytes.
	fullChunk = 256

	// thinChunk is how few rows a chunk may be left with before it joins the
	// next one.
	thinChunk = fullChunk / 4
)

// key orders the rows of a sequence: by owner, then by id.
type key struct{ owner, id int64 }

func (k key) compare(other key) int {
	if k.owner != other.owner {
		return cmp.Compare(k.owner, other.owner)
	}
	return cmp.Compare(k.id, other.id)
}

// chunk is some consecutive rows, packed. It never changes. Packed rows are a
// fifth of the size of what they are handed out as, and the garbage collector
// need not look into them.
//
// A row is its key, as the distance from the first one, and its fields one
// after the other: integers in as many bytes as they need, strings as their
// number among the chunk's texts. Rows of one table repeat few strings, time
// zones and types, often; they are held once a chunk, whatever they are.
type chunk struct {
	first  key
	starts []uint16 // Where each row begins in packed.
	packed []byte
	texts  []string
	props  []map[string]string // Read-only. Handed out as they are.
}

func (c *chunk) len() int { return len(c.starts) }

func (c *chunk) open(i int) (key, unpacker) {
	u := unpacker{chunk: c, rest: c.packed[c.starts[i]:]}
	owner := c.first.owner + int64(u.number())
	id := c.first.id + u.integer()
	return key{owner, id}, u
}

func (c *chunk) key(i int) key {
	k, _ := c.open(i)
	return k
}

// find returns the first row whose key is not less than k, len if there is none.
func (c *chunk) find(k key) int {
	return sort.Search(c.len(), func(i int) bool { return c.key(i).compare(k) >= 0 })
}

// unpacker reads the fields of one row in the order in which they were packed.
type unpacker struct {
	chunk *chunk
	rest  []byte
}

func (u *unpacker) number() uint64 {
	if b := u.rest[0]; b < 0x80 {
		u.rest = u.rest[1:]
		return uint64(b)
	}
	n, length := binary.Uvarint(u.rest)
	u.rest = u.rest[length:]
	return n
}

func (u *unpacker) integer() int64 {
	n := u.number()
	return int64(n>>1) ^ -int64(n&1)
}

func (u *unpacker) text() string { return u.chunk.texts[u.number()] }

func (u *unpacker) customProps() map[string]string {
	if n := u.number(); n > 0 {
		return u.chunk.props[n-1]
	}
	return nil
}

func (u *unpacker) time() time.Time {
	switch u.number() {
	case timeInSeconds:
		return time.Unix(u.integer(), 0).UTC()
	case timeInMicroseconds:
		return time.UnixMicro(u.integer()).UTC()
	case timeInNanoseconds:
		seconds := u.integer()
		return time.Unix(seconds, u.integer()).UTC()
	}
	return time.Time{}
}

// The ways in which a time is packed: the shortest that keeps it as it is.
// PostgreSQL has microseconds, and much of Plausible whole seconds.
const (
	timeIsZero = iota
	timeInSeconds
	timeInMicroseconds
	timeInNanoseconds
)

// packer packs rows into one chunk after another.
type packer struct {
	chunk   chunk
	textAt  map[string]int
	propsAt map[string]int
}

func newPacker() *packer {
	return &packer{textAt: map[string]int{}, propsAt: map[string]int{}}
}

// begin begins the next row. The first one begins the chunk.
func (p *packer) begin(k key) {
	if p.chunk.len() == 0 {
		p.chunk.first = k
	}
	p.chunk.starts = append(p.chunk.starts, uint16(len(p.chunk.packed)))
	p.number(uint64(k.owner - p.chunk.first.owner))
	p.integer(k.id - p.chunk.first.id)
}

// end returns the chunk, in no more memory than it needs, and begins anew.
func (p *packer) end() *chunk {
	done := &chunk{
		first: p.chunk.first, starts: exactly(p.chunk.starts), packed: exactly(p.chunk.packed),
		texts: exactly(p.chunk.texts), props: exactly(p.chunk.props),
	}
	clear(p.chunk.texts)
	clear(p.chunk.props)
	p.chunk = chunk{starts: p.chunk.starts[:0], packed: p.chunk.packed[:0], texts: p.chunk.texts[:0], props: p.chunk.props[:0]}
	clear(p.textAt)
	clear(p.propsAt)
	return done
}

func exactly[E any](s []E) []E {
	if len(s) == 0 {
		return nil
	}
	return append(make([]E, 0, len(s)), s...)
}

func (p *packer) number(n uint64) { p.chunk.packed = binary.AppendUvarint(p.chunk.packed, n) }

// integer packs numbers that are near zero, on either side of it, in few bytes.
func (p *packer) integer(n int64) { p.number(uint64(n)<<1 ^ uint64(n>>63)) }

func (p *packer) text(s string) {
	at, ok := p.textAt[s]
	if !ok {
		at = len(p.chunk.texts)
		p.textAt[s] = at
		p.chunk.texts = append(p.chunk.texts, s)
	}
	p.number(uint64(at))
}

// customProps packs properties as their number plus one; zero: nil.
func (p *packer) customProps(props map[string]string) {
	if props == nil {
		p.number(0)
		return
	}
	pairs := make([]string, 0, len(props))
	for name, value := range props {
		pairs = append(pairs, strconv.Quote(name)+strconv.Quote(value))
	}
	slices.Sort(pairs)
	name := strings.Join(pairs, "")
	at, ok := p.propsAt[name]
	if !ok {
		p.chunk.props = append(p.chunk.props, props)
		at = len(p.chunk.props)
		p.propsAt[name] = at
	}
	p.number(uint64(at))
}

func (p *packer) time(t time.Time) {
	switch {
	case t.IsZero():
		p.number(timeIsZero)
	case t.Nanosecond() == 0:
		p.number(timeInSeconds)
		p.integer(t.Unix())
	case time.UnixMicro(t.UnixMicro()).Equal(t):
		p.number(timeInMicroseconds)
		p.integer(t.UnixMicro())
	default:
		p.number(timeInNanoseconds)
		p.integer(t.Unix())
		p.integer(int64(t.Nanosecond()))
	}
}
