package menu

import (
	"bytes"
	"slices"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Splice returns the document with the entry added to its sidebar and, where
// there is one, to its menu of narrow screens; all other bytes are as they
// were. It reports false, and the document untouched, where no menu is
// recognised or our entry is there already.
func Splice(document []byte, domain string) ([]byte, bool) {
	// Most answers have no menu: they are not worth parsing.
	if !bytes.Contains(document, []byte("/settings/"+neighbour)) || bytes.Contains(document, []byte(Prefix(domain)+ours+`"`)) {
		return document, false
	}
	tree, err := html.Parse(bytes.NewReader(document))
	if err != nil {
		return document, false
	}
	link := Link(tree, domain)
	if link == nil {
		return document, false
	}
	found := scan(document, domain)
	at, ok := offset(tree, link, found.links, func(n *html.Node) bool {
		return n.DataAtom == atom.A && Attr(n, "href") == Prefix(domain)+neighbour
	})
	if !ok {
		return document, false
	}
	insertions := []insertion{{at, render(entryLike(inactive(link, domain), domain))}}
	if option := Option(tree, domain); option != nil {
		at, ok := offset(tree, option, found.options, func(n *html.Node) bool {
			return n.DataAtom == atom.Option && isNeighbour(Attr(n, "value"), domain)
		})
		if ok {
			insertions = append(insertions, insertion{at, render(optionLike(option))})
		}
	}
	slices.SortFunc(insertions, func(a, b insertion) int { return a.at - b.at })
	var out bytes.Buffer
	last := 0
	for _, in := range insertions {
		out.Write(document[last:in.at])
		out.Write(in.html)
		last = in.at
	}
	out.Write(document[last:])
	return out.Bytes(), true
}

type insertion struct {
	at   int
	html []byte
}

// offset finds the place of a node of the tree in the document: the tree knows
// the structure and the tokens know the bytes. They are matched by counting
// what looks the same; where the counts differ, the document is too odd.
func offset(tree, node *html.Node, ends []int, same func(*html.Node) bool) (int, bool) {
	index, count := -1, 0
	for n := range tree.Descendants() {
		if n == node {
			index = count
		}
		if same(n) {
			count++
		}
	}
	if index < 0 || count != len(ends) || ends[index] < 0 {
		return 0, false
	}
	return ends[index], true
}

// places are the offsets just after the links to the e-mail reports and the
// options for them; negative where the end was not seen.
type places struct{ links, options []int }

func scan(document []byte, domain string) places {
	var found places
	z := html.NewTokenizer(bytes.NewReader(document))
	at := 0
	inLink, inOption := false, false
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			return found
		}
		start := at
		at += len(z.Raw())
		name, more := z.TagName()
		element := atom.Lookup(name)
		if inOption && kind != html.TextToken && kind != html.CommentToken {
			// An option ends with its end tag, or before whatever comes next.
			inOption = false
			end := start
			if kind == html.EndTagToken && element == atom.Option {
				end = at
			}
			found.options[len(found.options)-1] = end
		}
		switch {
		case kind == html.EndTagToken && element == atom.A && inLink:
			inLink = false
			found.links[len(found.links)-1] = at
		case kind == html.StartTagToken && element == atom.A:
			inLink = more && attr(z, "href") == Prefix(domain)+neighbour
			if inLink {
				found.links = append(found.links, -1)
			}
		case kind == html.StartTagToken && element == atom.Option:
			inOption = more && isNeighbour(attr(z, "value"), domain)
			if inOption {
				found.options = append(found.options, -1)
			}
		}
	}
}

// attr reads the attributes of the current tag up to the named one.
func attr(z *html.Tokenizer, name string) string {
	for {
		key, value, more := z.TagAttr()
		if string(key) == name {
			return string(value)
		}
		if !more {
			return ""
		}
	}
}

func render(n *html.Node) []byte {
	var out bytes.Buffer
	_ = html.Render(&out, n) // Into memory, from a tree of our own: nothing can fail.
	return out.Bytes()
}
