// Package plausible stands in for Plausible's web side beside real engines:
// sign-in and roles, the site settings with the existing traffic notifications
// and goals, and /api/event with the write buffer. It writes the same rows as
// Plausible does, so that the sidecar cannot tell the difference.
//
// It is made from facts about Plausible (routes, status codes, page structure,
// rows written), not from its code, and covers only what the sidecar meets:
// no dashboard, no LiveView, no mail. Two layouts exist: Current, as of v3.2,
// and Older, whose sidebar has no wrapper.
package plausible
