package settings_test

import (
	"strings"

	"golang.org/x/net/html"
)

// checkMarkup holds every page that a test looks at against what a screen
// reader and a strict Content-Security-Policy need.
func (p page) checkMarkup(what string) {
	p.t.Helper()
	if p.Body == "" {
		return
	}
	ids := map[string]bool{}
	level := 1
	for _, n := range p.all(func(*html.Node) bool { return true }) {
		if id := attr(n, "id"); id != "" {
			if ids[id] {
				p.t.Errorf("%s: two elements have the id %q", what, id)
			}
			ids[id] = true
		}
		for _, a := range n.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				p.t.Errorf("%s: <%s> has the attribute %s, which a policy would refuse", what, n.Data, a.Key)
			}
		}
		switch n.Data {
		case "style":
			p.t.Errorf("%s: has a <style>", what)
		case "h2", "h3", "h4":
			if next := int(n.Data[1] - '0'); next > level+1 {
				p.t.Errorf("%s: %s follows a heading of level %d", what, n.Data, level)
			} else {
				level = next
			}
		case "input", "select", "textarea":
			if attr(n, "type") != "hidden" && len(p.all(func(l *html.Node) bool { return l.Data == "label" && attr(l, "for") == attr(n, "id") })) != 1 {
				p.t.Errorf("%s: field %q has not one label", what, attr(n, "name"))
			}
		case "button":
			if strings.TrimSpace(text(n))+attr(n, "aria-label") == "" {
				p.t.Errorf("%s: a button has no name", what)
			}
		case "form":
			if m := attr(n, "method"); m != "post" && m != "get" {
				p.t.Errorf("%s: a form has the method %q", what, m)
			}
		}
	}
	for _, n := range p.all(func(n *html.Node) bool { return has(n, "aria-describedby") || has(n, "aria-labelledby") }) {
		for id := range strings.FieldsSeq(attr(n, "aria-describedby") + " " + attr(n, "aria-labelledby")) {
			if !ids[id] {
				p.t.Errorf("%s: <%s> refers to %q, which is not there", what, n.Data, id)
			}
		}
	}
}
