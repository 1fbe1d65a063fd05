// Package settings is the Webhooks page inside Plausible's site settings.
//
// Remit: pages, forms and what they say. A request comes in as a Visit, which
// only the gate makes, and leaves as a Page, which the shell shows in
// Plausible's own layout. Its limit: it sends nothing, evaluates nothing and
// keeps nothing. What it needs of the other rooms are the small interfaces
// here (History, Backtester, Tester, Resender), which the command wires.
//
// # The way of a request
//
//	route ──▶ gate: Plausible itself is asked, anew each time ──▶ Visit
//	      ──▶ pages: read or change, always with the visit's site ──▶ Page
//	      ──▶ shell: Plausible's own layout around it, or a plain one
//
// # Invariants
//
//   - Nothing is read or changed for anybody whom Plausible does not let see the
//     site's settings at that moment.
//   - Every statement carries the id of the visit's site; ids from a route or a
//     form only ever narrow it down.
//   - GET changes nothing. A POST of another origin is refused.
//   - What a visitor, a receiver or a user may have written goes through
//     html/template.
//   - A secret is shown once, in the answer to the request that made it.
//   - No page needs script.
//   - No page has inline script, handlers or style attributes, which a policy
//     would refuse; its classes and ids begin with pw.
//   - ClickHouse is asked within bounds: see trials.
//
// # Words
//
//   - A request is a visit being answered; route finds the answer of its path.
//   - A view is what every page's template knows; a form is what was typed, and
//     what is wrong with it, field by field.
//   - A trial is a trigger tried on the past, an Outlook what it would have done.
//   - A form is spent when its answer showed a secret: sent again, it does
//     nothing.
package settings
