package shell

import (
	"bytes"
	"html/template"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"plausible-webhooks/config/settings/menu"
)

// Contents are what is shown.
type Contents struct {
	Domain  string // Empty where the site must not be named.
	Title   string // For the title of the document.
	Body    template.HTML
	Styles  []string // Paths.
	Scripts []string // Paths.
}

// Document is a page, complete.
type Document struct {
	HTML   []byte
	Policy string // For Content-Security-Policy.
	Plain  bool   // Not in Plausible's layout.
}

// Around shows contents in the page of Plausible that is given: the e-mail
// reports of the domain's settings.
func Around(plausible []byte, c Contents) Document {
	tree, err := html.Parse(bytes.NewReader(plausible))
	if err != nil {
		return Plain(c, false)
	}
	root := element(tree, atom.Html)
	link := menu.Link(tree, c.Domain)
	if root == nil || link == nil {
		return Plain(c, isDark(root))
	}
	column := contentColumn(link)
	head := element(root, atom.Head)
	if column == nil || head == nil || inLiveView(column) {
		return Plain(c, isDark(root))
	}
	fill(column, c.Body)
	menu.Activate(link, menu.Option(tree, c.Domain), c.Domain)
	freeSelect(tree, c.Domain)
	retitle(head, title(c))
	policy := newPolicy()
	policy.admit(root, column)
	for _, path := range c.Styles {
		head.AppendChild(node("link", "rel", "stylesheet", "href", path))
	}
	for _, path := range c.Scripts {
		head.AppendChild(node("script", "defer", "", "src", path))
	}
	var out bytes.Buffer
	if err := html.Render(&out, tree); err != nil {
		return Plain(c, isDark(root))
	}
	return Document{HTML: out.Bytes(), Policy: policy.String()}
}

// title is what tabs and histories of a browser show.
func title(c Contents) string {
	parts := []string{c.Title}
	if c.Domain != "" {
		parts = append(parts, c.Domain)
	}
	return strings.Join(append(parts, "Plausible"), " · ")
}

// contentColumn returns what stands beside the column that the menu is in.
func contentColumn(link *html.Node) *html.Node {
	for n := link.Parent; n != nil && n.DataAtom != atom.Body; n = n.Parent {
		if !isColumn(n) {
			continue
		}
		for beside := n.NextSibling; beside != nil; beside = beside.NextSibling {
			if isColumn(beside) {
				return beside
			}
		}
		return nil
	}
	return nil
}

func isColumn(n *html.Node) bool {
	if n.Type != html.ElementNode {
		return false
	}
	for class := range strings.FieldsSeq(menu.Attr(n, "class")) {
		if strings.HasPrefix(class, "lg:col-span-") {
			return true
		}
	}
	return false
}

// inLiveView tells whether Phoenix renders the node anew by itself.
func inLiveView(n *html.Node) bool {
	for ; n != nil; n = n.Parent {
		if menu.Has(n, "data-phx-session") || menu.Has(n, "data-phx-main") {
			return true
		}
	}
	return false
}

// fill replaces what is in the column.
func fill(column *html.Node, body template.HTML) {
	for column.FirstChild != nil {
		column.RemoveChild(column.FirstChild)
	}
	ours := node("div", "x-ignore", "")
	ours.AppendChild(&html.Node{Type: html.RawNode, Data: string(body)})
	column.AppendChild(ours)
}

// freeSelect lets the menu of narrow screens lead from any of our pages: its
// own handler may count on being one level below the settings, so the values
// become paths and a script of ours (shell.js) follows them.
func freeSelect(tree *html.Node, domain string) {
	option := menu.Option(tree, domain)
	if option == nil {
		return
	}
	var list *html.Node
	for list = option.Parent; list != nil && list.DataAtom != atom.Select; list = list.Parent {
	}
	if list == nil {
		return
	}
	menu.Set(list, "onchange", nil)
	follow := ""
	menu.Set(list, "data-pws-follow", &follow)
	for n := range list.Descendants() {
		if n.DataAtom == atom.Option && !strings.HasPrefix(menu.Attr(n, "value"), "/") && menu.Attr(n, "value") != "" {
			path := menu.Prefix(domain) + menu.Attr(n, "value")
			menu.Set(n, "value", &path)
		}
	}
}

func retitle(head *html.Node, text string) {
	found := element(head, atom.Title)
	if found == nil {
		found = node("title")
		head.AppendChild(found)
	}
	for found.FirstChild != nil {
		found.RemoveChild(found.FirstChild)
	}
	found.AppendChild(&html.Node{Type: html.TextNode, Data: text})
}

func isDark(root *html.Node) bool {
	if root == nil {
		return false
	}
	for class := range strings.FieldsSeq(menu.Attr(root, "class")) {
		if class == "dark" {
			return true
		}
	}
	return false
}

func element(in *html.Node, kind atom.Atom) *html.Node {
	for n := range in.Descendants() {
		if n.Type == html.ElementNode && n.DataAtom == kind && n.Namespace == "" {
			return n
		}
	}
	return nil
}

// node makes an element with attributes in pairs.
func node(name string, attrs ...string) *html.Node {
	n := &html.Node{Type: html.ElementNode, Data: name, DataAtom: atom.Lookup([]byte(name))}
	for i := 0; i+1 < len(attrs); i += 2 {
		n.Attr = append(n.Attr, html.Attribute{Key: attrs[i], Val: attrs[i+1]})
	}
	return n
}
