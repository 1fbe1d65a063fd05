package stack

import (
	"bytes"
	"io"
	"strings"
	"sync"
)

// logTail is how many lines of the log an error quotes from.
const logTail = 20

// readyLine is what PostgreSQL logs once clients can connect.
const readyLine = "database system is ready to accept connections"

// serverLog reads a server's log as it is written: it tells when the server is
// ready, and remembers the last lines for the error of a start that failed.
type serverLog struct {
	ready chan struct{}
	next  io.Writer // May be nil.

	mu      sync.Mutex
	started bool
	partial []byte
	tail    []string
}

func newServerLog(next io.Writer) *serverLog {
	return &serverLog{ready: make(chan struct{}), next: next}
}

// Write never fails: a server must not die of a log that nobody can write.
func (l *serverLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next != nil {
		_, _ = l.next.Write(p)
	}
	l.partial = append(l.partial, p...)
	for {
		line, rest, whole := bytes.Cut(l.partial, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		l.line(string(line))
		l.partial = rest
	}
}

func (l *serverLog) line(line string) {
	l.tail = append(l.tail, line)
	l.tail = l.tail[max(0, len(l.tail)-logTail):]
	if !l.started && strings.Contains(line, readyLine) {
		l.started = true
		close(l.ready)
	}
}

// reason returns the complaints among the last lines, or all of them when none
// complains, on one line.
func (l *serverLog) reason() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var complaints []string
	for _, line := range l.tail {
		for _, level := range []string{"FATAL:", "PANIC:", "ERROR:", "error:", "HINT:", "could not bind"} {
			if strings.Contains(line, level) {
				complaints = append(complaints, line)
				break
			}
		}
	}
	if len(complaints) == 0 {
		complaints = l.tail
	}
	if len(complaints) == 0 {
		return "it logged nothing"
	}
	return strings.Join(complaints, "; ")
}
