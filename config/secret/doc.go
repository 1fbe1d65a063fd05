// Package secret holds what must never be read by accident: a text that does
// not print itself, the rules for a webhook's secret, and the keyring that
// encrypts secrets at rest.
//
// The package is pure but for the randomness it draws. It knows nothing of
// tables beyond their names, which bind a ciphertext to its row.
//
// Invariants:
//
//   - A Text shows its content through Reveal alone: every verb of fmt, JSON,
//     slog, hclog and a text encoder show "<secret>" instead, and a database
//     driver refuses it, so that the placeholder is never stored.
//   - A ciphertext opens only in the table, column and row it was sealed for,
//     and in a column that holds a JSON object only under its member's name.
//   - What begins with "enc1:" is a ciphertext; no webhook's secret may.
package secret
