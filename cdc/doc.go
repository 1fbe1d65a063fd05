// Package cdc follows the configuration of webhooks in Plausible's PostgreSQL
// and keeps a [config.View] of it: sites, goals and traffic notifications of
// Plausible, webhooks and triggers of our own schema.
//
// # Terms
//
// A read is one repeatable-read transaction over all five tables. A session is
// one replication connection from its slot to its error. A state is what the
// tables hold, in immutable tables; two states share the rows in which they do
// not differ. A mirror takes one state to the next, by a read or by the
// transactions of a session. The view is what everyone else sees: a state
// without the pseudo-sites.
//
// # Modes
//
//	        first read          slot, snapshot, stream
//	start ────────────▶ poll ─────────────────────────▶ replication
//	                     ▲  a read every few seconds        │  a read every few
//	                     └──────────────────────────────────┘  minutes, compared
//	                        the session ends, for whatever cause
//
// Polling always goes on while no session streams, so that a server without
// logical decoding, a long transaction that holds up the slot, or a restart
// costs seconds of delay and nothing else.
//
// # Invariants
//
//   - A view is one committed state; a transaction becomes visible as a whole.
//   - A read begins from a state that is known and keeps only what differs from
//     it: after the first, none holds the tables a second time.
//   - The replication slot is temporary and has a name of its own: nothing
//     holds WAL back once the process is gone, and instances do not collide.
//   - Nothing of Plausible is altered; its tables are only read. The publication
//     names whole tables that have a primary key.
//   - No wait for a table lock while another lock is held: a migration of
//     Plausible can never be chosen as the victim of a deadlock with us.
//   - A state that cannot be understood (a missing column, a malformed message)
//     leaves the last good view in place and makes the status unhealthy.
//   - URLs and secrets of webhooks are dropped as they arrive.
//
// # Limit
//
// Only the present state is followed, not every step to it: what happened
// during a break is seen as the difference of two states. The package does not
// know what a trigger means. custody.go is the one part that writes rows: it
// keeps webhooks in step with the sites that own them.
package cdc
