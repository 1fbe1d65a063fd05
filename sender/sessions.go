package sender

import "crypto/tls"

const (
	sessionsKept = 1024 // Of as many hosts.

	// sessionBytes is what one may take; an ordinary one has five kilobytes.
	// The receiver chooses its ticket (up to 64 KiB) and certificates (256 KiB),
	// and one with a wildcard certificate has as many host names as it likes.
	sessionBytes = 32 << 10
)

// sessions remembers TLS sessions, which spares receivers the costly half of a
// handshake, but none that is too large.
type sessions struct{ tls.ClientSessionCache }

func newSessions() sessions { return sessions{tls.NewLRUClientSessionCache(sessionsKept)} }

// Put remembers a session; nil forgets.
func (s sessions) Put(key string, session *tls.ClientSessionState) {
	if session != nil && !small(session) {
		session = nil
	}
	s.ClientSessionCache.Put(key, session)
}

func small(session *tls.ClientSessionState) bool {
	ticket, state, err := session.ResumptionState()
	if err != nil || state == nil || len(ticket) > sessionBytes {
		return false
	}
	rest, err := state.Bytes()
	return err == nil && len(ticket)+len(rest) <= sessionBytes
}
