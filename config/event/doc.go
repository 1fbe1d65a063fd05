// Package event holds what a webhook tells: the types of events, their data,
// the standard JSON payload (deploy/REFERENCE.md section 5) and the texts for chat
// services.
//
// The package is pure: it reads no clock, no database and no environment, and
// it imports no other package of the module. Who fires what and when is the
// evaluator's; how the bytes travel is the sender's.
//
// Invariants:
//
//   - Render returns the exact bytes that are stored, signed and sent; the
//     same event in the same format gives the same bytes. What else a request
//     of a format carries (Headers) is read from them.
//   - In a standard payload every key is present, null where it does not
//     apply; lists are never null. deploy/payload.schema.json says the same.
//   - Text that visitors or site owners choose (sources, pages, goals,
//     domains, names of webhooks) can neither mention people, nor make links or markup, nor carry
//     control characters in a chat message.
//   - A chat message never exceeds the size that its service accepts.
package event
