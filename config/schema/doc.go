// Package schema creates and upgrades the PostgreSQL schema plausible_webhooks.
//
// Everything the sidecar owns lives in that one schema. Nothing of Plausible's
// own is altered, locked or referenced by a foreign key, so that no migration
// of Plausible can meet one of ours.
//
// Invariants:
//
//   - Migrations only add, or allow more than before. An older sidecar
//     therefore works on a newer schema, which is what a rolling upgrade needs;
//     Migrate leaves a newer one alone.
//   - A migration of a table that is in use gives way to whoever holds it, and
//     leaves the version as it was: waiting for the lock would keep everyone
//     else from the table.
//   - Several processes may call Migrate at once: one works, the others wait
//     for it and find nothing left to do.
//   - Each migration is one transaction; a killed process leaves the version
//     before it or after it.
package schema
