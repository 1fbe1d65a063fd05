package server

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"plausible-webhooks/config/settings/menu"
	"plausible-webhooks/config/settings/static"
)

// kind is what a path is for.
type kind int

const (
	kindOther    kind = iota // Not ours to answer.
	kindPage                 // The Webhooks page and below.
	kindAsset                // Styles and scripts of it.
	kindSettings             // Plausible's own settings, which pass through.
)

// address is a path that has been taken apart.
type address struct {
	domain string   // Decoded once; may hold slashes.
	base   string   // As in Visit.
	rest   []string // Decoded segments below the base.
	odd    bool     // A segment below the base can be no page's name.
}

// locate takes the escaped path of a request apart. Segments are split before
// they are decoded, and decoded once: %2F in a domain is part of the domain,
// and %252F no slash at all. Nothing is ever cleaned: a path with an empty
// segment or dots is not ours, or no page.
func locate(escaped string) (address, kind) {
	segments := strings.Split(escaped, "/")
	// "/a/settings/b" is "", "a", "settings", "b".
	if len(segments) < 4 || segments[0] != "" || segments[2] != "settings" {
		return address{}, kindOther
	}
	domain, err := url.PathUnescape(segments[1])
	if err != nil || !canBeDomain(domain) {
		return address{}, kindOther
	}
	at := address{domain: domain, base: menu.Prefix(domain) + "webhooks"}
	if segments[3] != "webhooks" {
		if slices.ContainsFunc(segments[3:], isDots) {
			return address{}, kindOther
		}
		return at, kindSettings
	}
	below := segments[4:]
	if len(below) > 0 && below[len(below)-1] == "" {
		below = below[:len(below)-1] // People type a slash at the end.
	}
	for _, segment := range below {
		decoded, err := url.PathUnescape(segment)
		if err != nil || !canBeName(decoded) {
			at.odd = true
		}
		at.rest = append(at.rest, decoded)
	}
	if len(at.rest) == 2 && at.rest[0] == static.Folder && !at.odd {
		return at, kindAsset
	}
	return at, kindPage
}

// canBeDomain leaves out what no site can be called (lib/plausible/site.ex) and
// what could mean something to a server on the way.
func canBeDomain(domain string) bool {
	if domain == "" || domain == "." || domain == ".." || !utf8.ValidString(domain) {
		return false
	}
	for _, part := range strings.FieldsFunc(domain, func(r rune) bool { return r == '/' || r == '\\' }) {
		if part == "." || part == ".." {
			return false
		}
	}
	return !strings.ContainsFunc(domain, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) })
}

// isDots tells whether a server on the way may take a segment for a step up.
func isDots(segment string) bool {
	decoded, err := url.PathUnescape(segment)
	return err != nil || decoded == "." || decoded == ".."
}

func canBeName(segment string) bool {
	return segment != "" && segment != "." && segment != ".." && utf8.ValidString(segment) &&
		!strings.ContainsFunc(segment, func(r rune) bool { return r == '/' || r == '\\' || r == '%' || unicode.IsControl(r) })
}

// here is the path that a person comes back to after signing in.
func (a address) here(query string) string {
	path := a.base
	for _, segment := range a.rest {
		path += "/" + url.PathEscape(segment)
	}
	if query != "" {
		path += "?" + query
	}
	return path
}
