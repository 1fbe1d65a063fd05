// Package server is everything at WEBHOOKS_LISTEN.
//
// Remit: take a request's path apart, keep out what no browser of a site's
// people sends, have the gate ask Plausible, let the pages answer and the shell
// show it; serve styles and scripts; pass Plausible's own settings through. Its
// limit: it holds no data and no page, and decides nothing about permission.
//
// # Routes
//
//	/{domain}/settings/webhooks…               gate, pages, shell   GET HEAD POST
//	/{domain}/settings/webhooks/assets/{name}  static, no permission GET HEAD
//	/{domain}/settings/…                       passed through        GET HEAD
//	anything else                              421
//
// # Invariants
//
//   - Paths are split before they are decoded, decoded once, and never cleaned:
//     %2F belongs to a domain, %252F, "//" and ".." lead nowhere.
//   - Pages are called only with a verdict of the gate for this very request, and
//     never before it.
//   - What is not ours to answer is Plausible's own answer, or says nothing of
//     the site, not even that it exists.
//   - Every answer for a person is no-store, is framed by nobody, and carries
//     the policy of its document. Forms have at most MaxForm bytes and come from
//     our own origin.
//   - No path, query, cookie or form gets into a log.
package server
