// Package stats asks Plausible's ClickHouse the few questions that evaluation
// has. It knows how Plausible defines a visitor and how a goal matches rows;
// it knows nothing of triggers, states or deliveries.
//
// Invariants:
//
//   - It only reads. No table, view or setting is left in the user's
//     ClickHouse.
//   - Only Now contains now(); every other question takes its times as
//     parameters, as Unix seconds, so that no time zone of a server matters.
//   - The number of queries does not grow with the number of sites: a list of
//     ids travels only while it is short (see manySites).
//   - Text chosen by people (names, paths, properties) travels as hexadecimal
//     digits, so that no escaping rule of either protocol matters.
//   - Only functions that ClickHouse 24.3 has are used.
package stats
