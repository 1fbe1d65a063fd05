// Package gate decides who may see the Webhooks page of a site, by asking
// Plausible itself.
//
// Remit: one question per request and the faithful retelling of its answer.
// Its limit: it knows neither roles nor sessions, and remembers nothing.
//
// # The question
//
// GET /{domain}/settings/email-reports at WEBHOOKS_PLAUSIBLE_URL, with the
// visitor's own cookies. Of the settings pages it is the one that is plain (no
// LiveView), in the menu of every version from v2.1 on, and open to exactly
// those who may change a site's notifications: owner, admin, editor.
//
// # What allows
//
// All of these, and nothing else:
//
//   - the site of exactly that domain is in PostgreSQL, before the question and
//     after the answer, with the same id: a domain may be renamed and taken
//     over by somebody else at any moment;
//   - the status is 200 and the type text/html, redirects not followed;
//   - the document is that page: it links to itself in the menu, or holds the
//     forms of that page. Plausible answers any path that it does not know
//     with the dashboard, to strangers too where a site is public; without this
//     proof a later version that renames the page would open every public
//     site's webhooks to the world. Only attributes of elements count, which
//     neither a visitor nor a domain's name can write.
//
// # What is handed on
//
// Plausible's 404 as it is, its redirects as paths on BASE_URL, and its
// Set-Cookie in every case. The path that is asked for is rebuilt from the
// decoded domain, never copied from the request. Cookies go to Plausible alone,
// and into no error and no log.
//
// A site that PostgreSQL does not have is asked for all the same: otherwise a
// stranger could tell by our answer which sites exist.
package gate
