// Package config holds what a person configures and what every room names:
// Plausible's sites, goals and traffic notifications, our webhooks and
// triggers, and the immutable View of them all.
//
// The package is pure. It knows neither how a view is obtained (room cdc), nor
// what a trigger means (room evaluator), nor how a webhook is called (room
// sender). Its sub-packages hold the environment (env), event types and their
// texts (event), rules for URLs (target), a webhook's own headers (header),
// secrets (secret), the database schema (schema) and the editing of webhooks
// (store).
//
// Invariants:
//
//   - A View and everything reached from it is never changed once published;
//     readers share it without locks.
//   - Rows are kept packed, in tables that share with the one before them what
//     has not changed, and handed out as values: a view of 100,000 sites with
//     half a million triggers takes some 35 MiB, and the next one after a
//     change of one row some 30 KiB more. A row is handed out as it came.
//   - Neither a URL nor a secret, nor a webhook's headers and timeout, is part
//     of the view: the sender reads them afresh before each attempt, and nobody
//     else needs them.
//   - Consolidated sites do not exist for us (deploy/REFERENCE.md section 3), so they
//     never enter a view.
package config
