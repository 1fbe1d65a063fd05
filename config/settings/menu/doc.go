// Package menu knows the menu of Plausible's site settings and adds the entry
// "Webhooks" to it.
//
// Remit: the two forms of the menu, the sidebar's links and the select of
// narrow screens, in a parsed document (for our own page, where the entry is
// the active one) and in the bytes of one that passes through (where nothing
// else may change). Its limit: it serves nothing.
//
// Plausible's menu has no ids and no extension point, and its markup changed
// with versions. What stayed from v2.1 to v3.2 is a row of links to
// /{domain}/settings/…, among them email-reports; a menu is recognised by
// that, and the new entry takes its looks from its neighbours. Whatever is not
// recognised for certain is left as it is.
package menu
