// Package passthrough hands the pages of Plausible's site settings on to the
// browser, with one entry more in their menu.
//
// Remit: GET and HEAD of /{domain}/settings/…, which the operator's proxy may
// send here so that people find the Webhooks page. Its limit: it decides
// nothing about permission, since Plausible answers with its own, and keeps
// nothing.
//
// # Invariants
//
//   - What is sent to Plausible is what came: path and query byte for byte,
//     Host, cookies, and the X-Forwarded headers of the proxy in front. Only
//     Accept-Encoding is narrowed to what can be read here, and hop-by-hop
//     headers are left out.
//   - Of the answer only HTML with status 200 and a menu that is recognised is
//     changed, by inserting the entry; every other byte stays.
//   - It fails open: an answer that is too long, too slow, compressed otherwise,
//     broken or not recognised goes through as it is, streamed.
//   - Only Plausible's absence is an answer of our own: 502, on which a proxy
//     falls back to asking Plausible itself.
//   - /api/event, scripts and websockets have no business here and are refused.
package passthrough
