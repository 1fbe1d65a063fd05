// Package header holds a webhook's own headers: the rules for their names and
// values, how a person writes them down, and how they are stored.
//
// The package is pure but for the randomness that sealing draws. It neither
// reads a table nor makes a request.
//
// Terms: a custom header is one that a person adds to a webhook's requests,
// mostly a credential. A stored header is one as the column webhooks.headers
// holds it: sealed, or plain where others wrote it with SQL.
//
// Invariants:
//
//   - A value is a secret: no error and no list shows any of it. An error shows
//     a name only where it can be one, for what is no name may be a value in
//     the wrong place; whoever lists what is stored sees it as it is.
//   - Headers that pass Check reach the receiver as they are, and none of the
//     sidecar's own is replaced, doubled or shifted by them.
//   - A ciphertext opens only for its webhook and its header, whose name is
//     compared without case, as everywhere.
package header
