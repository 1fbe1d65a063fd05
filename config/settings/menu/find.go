package menu

import (
	"net/url"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Label is the entry's text.
const Label = "Webhooks"

const (
	neighbour = "email-reports" // The entry comes after this one.
	ours      = "webhooks"
	// fewest is how many entries a menu has at least: a text that happens to
	// link to the e-mail reports is no menu.
	fewest = 3
)

// Prefix is what the paths of a site's settings begin with, as Plausible writes
// them.
func Prefix(domain string) string { return "/" + Encode(domain) + "/settings/" }

// Encode writes a domain as Plausible writes it into paths
// (URI.encode_www_form).
func Encode(domain string) string { return url.QueryEscape(domain) }

// Link returns the sidebar's link to the e-mail reports of the domain's
// settings, or nil where the document has no menu that is recognised.
func Link(document *html.Node, domain string) *html.Node {
	page := Prefix(domain) + neighbour
	for n := range document.Descendants() {
		if n.DataAtom == atom.A && Attr(n, "href") == page && len(entries(n, domain)) >= fewest {
			return n
		}
	}
	return nil
}

// entries returns the links beside a link that lead to other pages of the
// settings, itself included.
func entries(link *html.Node, domain string) []*html.Node {
	var found []*html.Node
	for n := range link.Parent.ChildNodes() {
		if n.DataAtom == atom.A && strings.HasPrefix(Attr(n, "href"), Prefix(domain)) {
			found = append(found, n)
		}
	}
	return found
}

// Option returns the entry for e-mail reports in the menu of narrow screens, or
// nil. Its value is the page's name or its path.
func Option(document *html.Node, domain string) *html.Node {
	for n := range document.Descendants() {
		if n.DataAtom != atom.Option || !isNeighbour(Attr(n, "value"), domain) || n.Parent == nil {
			continue
		}
		beside := 0
		for sibling := range n.Parent.ChildNodes() {
			if sibling.DataAtom == atom.Option {
				beside++
			}
		}
		if beside >= fewest {
			return n
		}
	}
	return nil
}

func isNeighbour(value, domain string) bool {
	return value == neighbour || value == Prefix(domain)+neighbour
}

// Attr returns an attribute's value, or nothing.
func Attr(n *html.Node, name string) string {
	for _, attr := range n.Attr {
		if attr.Namespace == "" && attr.Key == name {
			return attr.Val
		}
	}
	return ""
}

// Has tells whether the attribute is there.
func Has(n *html.Node, name string) bool {
	for _, attr := range n.Attr {
		if attr.Namespace == "" && attr.Key == name {
			return true
		}
	}
	return false
}

// Set sets an attribute, or removes it where the value is nil.
func Set(n *html.Node, name string, value *string) {
	kept := n.Attr[:0]
	done := false
	for _, attr := range n.Attr {
		if attr.Namespace == "" && attr.Key == name {
			if value == nil || done {
				continue
			}
			attr.Val, done = *value, true
		}
		kept = append(kept, attr)
	}
	if value != nil && !done {
		kept = append(kept, html.Attribute{Key: name, Val: *value})
	}
	n.Attr = kept
}
