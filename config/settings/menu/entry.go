package menu

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Activate adds the entry to a parsed document, as the one of the current page:
// link and option are those of Link and Option for the same document, which is
// the page of the e-mail reports. Option may be nil.
func Activate(link, option *html.Node, domain string) {
	like := inactive(link, domain)
	entry := entryLike(link, domain)
	current := "page"
	Set(entry, "aria-current", &current)
	dress(link, like)
	insertAfter(entry, link)
	if option == nil {
		return
	}
	selected := ""
	added := optionLike(option)
	Set(added, "selected", &selected)
	for sibling := range option.Parent.ChildNodes() {
		if sibling.DataAtom == atom.Option {
			Set(sibling, "selected", nil)
		}
	}
	insertAfter(added, option)
}

// inactive returns the entry nearest to the link that looks as most do: at most
// one is that of the current page, and may differ by its classes.
func inactive(link *html.Node, domain string) *html.Node {
	all := entries(link, domain)
	count := map[string]int{}
	most := ""
	for _, entry := range all {
		class := Attr(entry, "class")
		if count[class]++; count[class] > count[most] {
			most = class
		}
	}
	if Attr(link, "class") == most {
		return link
	}
	var found *html.Node
	for _, entry := range all {
		if Attr(entry, "class") == most {
			found = entry // The last one before the link, else the last of all.
		}
		if entry == link && found != nil {
			break
		}
	}
	if found == nil {
		return link
	}
	return found
}

// entryLike returns a link to our page that looks like another entry: its
// element, one icon, one text. Ids, test ids and badges are the other's own.
func entryLike(like *html.Node, domain string) *html.Node {
	entry := clone(like)
	entry.Attr = []html.Attribute{{Key: "href", Val: Prefix(domain) + ours}, {Key: "class", Val: Attr(like, "class")}}
	icons, texts := 0, 0
	var drop []*html.Node
	for n := range entry.Descendants() {
		switch {
		case inside(n, entry, atom.Svg):
			// Replaced with its icon.
		case n.DataAtom == atom.Svg:
			if icons++; icons > 1 {
				drop = append(drop, n)
			} else {
				drawIcon(n)
			}
		case n.Type == html.TextNode && strings.TrimSpace(n.Data) != "":
			if texts++; texts > 1 {
				drop = append(drop, n)
			} else {
				n.Data = keepSpace(n.Data, Label)
			}
		case n.Type == html.ElementNode:
			Set(n, "id", nil)
		}
	}
	for _, n := range drop {
		n.Parent.RemoveChild(n)
	}
	if texts == 0 {
		entry.AppendChild(&html.Node{Type: html.TextNode, Data: Label})
	}
	return entry
}

func optionLike(like *html.Node) *html.Node {
	value := strings.TrimSuffix(Attr(like, "value"), neighbour) + ours
	added := &html.Node{Type: html.ElementNode, Data: "option", DataAtom: atom.Option, Attr: []html.Attribute{{Key: "value", Val: value}}}
	if class := Attr(like, "class"); class != "" {
		Set(added, "class", &class)
	}
	added.AppendChild(&html.Node{Type: html.TextNode, Data: Label})
	return added
}

// dress gives a link the classes of another entry, and its icon those of the
// other's.
func dress(link, like *html.Node) {
	class := Attr(like, "class")
	Set(link, "class", &class)
	Set(link, "aria-current", nil)
	from, to := icon(like), icon(link)
	if from != nil && to != nil && from != to {
		class := Attr(from, "class")
		Set(to, "class", &class)
	}
}

func icon(link *html.Node) *html.Node {
	for n := range link.Descendants() {
		if n.DataAtom == atom.Svg {
			return n
		}
	}
	return nil
}

// drawIcon puts our own drawing into the frame of another icon: a source and
// the two that it tells.
func drawIcon(svg *html.Node) {
	class := Attr(svg, "class")
	svg.Attr = nil
	for _, attr := range [][2]string{
		{"class", class}, {"viewBox", "0 0 24 24"}, {"fill", "none"}, {"stroke", "currentColor"}, {"stroke-width", "1.5"},
		{"stroke-linecap", "round"}, {"stroke-linejoin", "round"}, {"aria-hidden", "true"},
	} {
		svg.Attr = append(svg.Attr, html.Attribute{Key: attr[0], Val: attr[1]})
	}
	for svg.FirstChild != nil {
		svg.RemoveChild(svg.FirstChild)
	}
	svg.AppendChild(&html.Node{Type: html.ElementNode, Data: "path", Namespace: "svg", Attr: []html.Attribute{
		{Key: "d", Val: "M8.5 12a2.75 2.75 0 1 1-5.5 0a2.75 2.75 0 0 1 5.5 0ZM21 5.75a2.75 2.75 0 1 1-5.5 0a2.75 2.75 0 0 1 5.5 0ZM21 18.25a2.75 2.75 0 1 1-5.5 0a2.75 2.75 0 0 1 5.5 0ZM8.2 10.8l7.6-3.8M8.2 13.2l7.6 3.8"},
	}})
}

func keepSpace(old, text string) string {
	trimmed := strings.TrimSpace(old)
	before, after, _ := strings.Cut(old, trimmed)
	return before + text + after
}

func inside(n, root *html.Node, element atom.Atom) bool {
	for p := n.Parent; p != nil && p != root; p = p.Parent {
		if p.DataAtom == element {
			return true
		}
	}
	return false
}

func insertAfter(added, n *html.Node) { n.Parent.InsertBefore(added, n.NextSibling) }

func clone(n *html.Node) *html.Node {
	c := &html.Node{Type: n.Type, DataAtom: n.DataAtom, Data: n.Data, Namespace: n.Namespace, Attr: append([]html.Attribute(nil), n.Attr...)}
	for child := range n.ChildNodes() {
		c.AppendChild(clone(child))
	}
	return c
}
