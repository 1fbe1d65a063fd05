package sender

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

// Kill ends the sender as a crash would: nothing more is written.
func (s *Sender) Kill() { s.killOnce.Do(func() { close(s.killed) }) }

// Resolve replaces the look-up of names.
func (s *Sender) Resolve(lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)) {
	s.transport = newTransport(s.options, lookup)
}

// Lease replaces the time that a claim holds without renewal.
func (s *Sender) Lease(d time.Duration) { s.lease = d }

// Purge deletes at once and once, on a sender that does not run.
func (s *Sender) Purge(ctx context.Context) error { return s.purge(ctx) }

// KeepAtMost replaces the number of finished deliveries that a webhook keeps.
func (s *Sender) KeepAtMost(n int) { s.mostFinished = n }

// DisableFailing looks at the log at once and once, on a sender that does not
// run.
func (s *Sender) DisableFailing(ctx context.Context) error { return s.disableFailing(ctx) }

// DepthMost is how many deliveries a look at the queue's depth counts.
const DepthMost = depthMost

// DepthSettings are what the statements of that look are planned with.
func DepthSettings() []string { return []string{byIndexSQL, inOrderSQL} }

// DepthStatements are those statements, with their bounds.
func DepthStatements() map[string]string {
	return map[string]string{depthSQL: fmt.Sprint(depthMost + 1), oldestDueSQL: fmt.Sprint(depthWebhooks)}
}
