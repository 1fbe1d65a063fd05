// Package evaluator decides when triggers fire. At each tick it asks
// Plausible's ClickHouse a few questions for all sites at once (package
// stats), lets pure transitions judge the answers, and writes new states,
// progress and deliveries in one transaction of PostgreSQL. How a delivery
// travels is the sender's.
//
// Terms. A rule is what one trigger asks for on one site, or of one goal,
// defaults filled in. A condition is what a rule with a threshold waits for; an
// episode is one stretch of time during which it holds. A class is all rules of
// one kind and window; it shares one question. A definition is what a goal
// matched when it was last looked at.
//
// Time is ClickHouse's, read once at the start of a tick, in Unix seconds.
//
// The way of a tick:
//
//	follow      the plan of the view: which classes, which goals (plan, goals)
//	closings    episodes whose rule applies no longer (conditions)
//	completions rows of goals, counted by second; what is due is told
//	reached     scroll goals with new rows: visitors of the day (scroll)
//	turns       the classes that are due: observe (traffic, threshold),
//	            judge (conditions, episode), tell
//	commit      states, progress and deliveries, in one transaction
//
// How rows are counted: each tick reads the seconds of goals after
// evaluation_progress.counted_through up to now, and compares them with what
// the states say was counted. Then counted_through becomes now less the
// permitted lateness; what lies before it is counted for ever. States and
// progress change together, so that a crash anywhere repeats a tick and never
// half of one.
//
// Invariants:
//
//   - A question that ClickHouse does not answer changes nothing: the part of
//     the tick that asked it is left out, and so is its progress.
//   - A tick never overlaps another of the same process. Those of two
//     processes may: the row of evaluation_progress and the versions of states
//     let only one of them commit, and event keys are unique.
//   - Memory holds states of what has fired or been counted, not of what could;
//     rules and matchers are derived from the view when rows are seen.
//   - The number of queries does not grow with the number of sites, and neither
//     does the length of any. What one tick cannot do in that frame is left for
//     the next, the oldest first.
package evaluator
