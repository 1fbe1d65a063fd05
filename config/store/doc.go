// Package store edits webhooks and their triggers, for the commands and for
// the settings page: it validates what a person asks for, writes it, and reads
// it back the way a person looks at it.
//
// Its limit: it evaluates nothing and sends nothing, and deliveries are the
// sender's to list. Rows that others write with plain SQL are read as they are,
// however odd.
//
// Invariants:
//
//   - Every change is one transaction, and leaves the database as it was if
//     any part of it is refused.
//   - Errors about a person's input are an *Invalid: it names each field and
//     says what would be accepted.
//   - A secret is stored sealed with its row's id, and leaves the package only
//     as a secret.Text, once, when it was made. The value of a header is stored
//     sealed likewise, and never leaves the package.
//   - The webhook of the environment is written by EnsureInstance alone; the
//     ids of its rows never change.
//   - Of Plausible's tables only columns are read that the oldest supported
//     version has; later ones are read through to_jsonb, and may be missing.
package store
