package front

import (
	"sync"
	"time"
)

// logLength bounds the query log; the oldest entries go first.
const logLength = 20_000

// Entry is one finished query. The hello of a new connection is not logged.
type Entry struct {
	Seq        uint64            `json:"seq"` // 1 for the first query of this process.
	Started    time.Time         `json:"started"`
	ID         string            `json:"id"`
	Database   string            `json:"database"`
	SQL        string            `json:"sql"`
	Params     map[string]string `json:"params"`
	Settings   map[string]string `json:"settings"`
	ResultRows uint64            `json:"result_rows"`
	ReadRows   uint64            `json:"read_rows"`
	ReadBytes  uint64            `json:"read_bytes"`
	Elapsed    time.Duration     `json:"elapsed_ns"` // Of the engine, without session and transfer.
	Code       int               `json:"code"`       // ClickHouse's error code; 0 is success.
}

type queryLog struct {
	mu      sync.Mutex
	seq     uint64
	entries []Entry
}

func (l *queryLog) add(entry Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	entry.Seq = l.seq
	if len(l.entries) >= logLength {
		// Dropping a tenth at a time keeps adding cheap.
		l.entries = append([]Entry(nil), l.entries[logLength/10:]...)
	}
	l.entries = append(l.entries, entry)
}

// last returns the newest n entries in order, all of them if n is 0.
func (l *queryLog) last(n int) []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := 0
	if n > 0 && n < len(l.entries) {
		from = len(l.entries) - n
	}
	return append([]Entry{}, l.entries[from:]...)
}
