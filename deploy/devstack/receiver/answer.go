package receiver

import (
	"fmt"
	"net/http"
	"time"
)

// dripInterval is short enough that a test sees several bytes, and long enough
// that 64 KiB never arrive within a deadline.
const dripInterval = 100 * time.Millisecond

// answer plays a behaviour. Whatever waits also ends when the client goes or
// the receiver stops.
func (r *Receiver) answer(w http.ResponseWriter, req *http.Request, b Behaviour) {
	switch b.kind {
	case "status":
		w.WriteHeader(b.status)
		if b.status != http.StatusNoContent && b.status != http.StatusNotModified {
			fmt.Fprintln(w, http.StatusText(b.status))
		}
	case "retry-after":
		w.Header().Set("Retry-After", b.target)
		w.WriteHeader(http.StatusServiceUnavailable)
	case "redirect":
		w.Header().Set("Location", b.target)
		w.WriteHeader(b.status)
	case "slow":
		if !r.wait(req, b.wait) {
			abort()
		}
		fmt.Fprintln(w, "OK")
	case "hang":
		r.wait(req, -1)
		abort()
	case "drip":
		for r.send(w, []byte(".")) && r.wait(req, dripInterval) {
		}
		abort()
	case "endless":
		chunk := make([]byte, 64<<10)
		for r.send(w, chunk) && r.wait(req, 0) {
		}
		abort()
	case "empty":
		abort()
	case "garbage":
		hijack(w, "SSH-2.0-not-http\r\n")
	case "truncate":
		hijack(w, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789")
	}
}

// abort cuts the connection: a plain return would let net/http complete the
// answer as if it had been meant so.
func abort() { panic(http.ErrAbortHandler) }

func (r *Receiver) send(w http.ResponseWriter, chunk []byte) bool {
	if _, err := w.Write(chunk); err != nil {
		return false
	}
	return http.NewResponseController(w).Flush() == nil
}

// wait returns true after d, false when the client or the receiver ended
// first; a negative d waits for ever.
func (r *Receiver) wait(req *http.Request, d time.Duration) bool {
	var after <-chan time.Time
	if d >= 0 {
		after = time.After(d)
	}
	select {
	case <-after:
		return true
	case <-req.Context().Done():
		return false
	case <-r.stopping:
		return false
	}
}

func hijack(w http.ResponseWriter, raw string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		abort()
	}
	defer func() { _ = conn.Close() }()
	_, _ = conn.Write([]byte(raw)) // The client may be gone already.
}
