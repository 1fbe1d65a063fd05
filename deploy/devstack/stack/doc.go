// Package stack runs the real engines that tests and the demo need: PostgreSQL
// with Plausible's tables, and ClickHouse with Plausible's events.
//
// Remit: install the engines at pinned versions on first use, start and stop
// them, make fresh databases in the shape of a Plausible release, and seed
// them as Plausible itself writes. It knows nothing of webhooks, and the
// product never imports it.
//
// # Terms
//
//   - An engine is a database program from npm, kept in a folder per version
//     below the cache directory and never changed after it was installed.
//   - A server is a running engine with its data. A shared server lives as long
//     as the test binary; every test gets a database of its own in it.
//   - A template is a database with Plausible's tables, made once per server and
//     release, from which fresh databases are copied in tens of milliseconds.
//
// # Invariants
//
//   - An engine counts as installed only after it was renamed into place, so an
//     interrupted installation is done again, and never half used.
//   - Any number of processes may ask for an engine at once: one installs it,
//     the others wait for that one.
//   - A server dies with the process that started it, however that process
//     ends. What it left on disk is removed by the next start of a server.
//   - Servers listen on the loopback interface only. Their data is worthless:
//     nothing is synced to disk, and the password is "postgres".
//
// # Limits
//
// The engines exist for Linux on x86-64 with glibc only. Elsewhere, set
// DEVSTACK_DATABASE_URL and DEVSTACK_CLICKHOUSE_URL to use servers of your own.
// DEVSTACK_CACHE moves the cache directory.
package stack
