// Package target holds the rules for where a webhook may point: what is said
// about a URL when it is saved, and what the sender's dialer asks about an
// address before it connects.
//
// The package is pure: it resolves no name and opens no connection. The check
// at saving is for messages; the check of the dialer, with the address that
// was really resolved, is for safety, and both follow the same Rules.
//
// Terms: a public address is one that the IANA special-purpose registries do
// not set apart (ranges of code.dny.dev/ssrf, plus Azure's wire server). A
// local name is one that public DNS does not answer: a single label, or one
// under localhost, local, internal, home.arpa and the like.
//
// Invariants:
//
//   - A URL prints as scheme and host: the path of a chat webhook is a secret.
//   - An unspecified or a multicast address is refused whatever is allowed, and
//     so is an IPv6 one that carries an IPv4 one which is not public.
//   - What Parse accepts, ParseSaved accepts.
package target
