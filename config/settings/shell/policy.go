package shell

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"plausible-webhooks/config/settings/menu"
)

// policy is the Content-Security-Policy of a document in Plausible's layout.
type policy struct {
	nonce    string
	handlers []string // Hashes of inline handlers, each once.
	alpine   bool     // The page has attributes that Alpine evaluates.
}

func newPolicy() *policy { return &policy{nonce: rand.Text()} }

// admit lets the scripts of Plausible's page work: all of the document but our
// column, whose content is not looked at.
func (p *policy) admit(n, column *html.Node) {
	if n == column {
		return
	}
	if n.Type == html.ElementNode {
		if n.DataAtom == atom.Script && !menu.Has(n, "src") {
			menu.Set(n, "nonce", &p.nonce)
		}
		for _, attr := range n.Attr {
			switch {
			case strings.HasPrefix(attr.Key, "on") && attr.Namespace == "":
				p.addHandler(attr.Val)
			case strings.HasPrefix(attr.Key, "x-"):
				p.alpine = true
			}
		}
	}
	for child := range n.ChildNodes() {
		p.admit(child, column)
	}
}

func (p *policy) addHandler(code string) {
	sum := sha256.Sum256([]byte(code))
	hash := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	if !slices.Contains(p.handlers, hash) {
		p.handlers = append(p.handlers, hash)
	}
}

func (p *policy) String() string {
	scripts := []string{"'self'", "'nonce-" + p.nonce + "'"}
	if len(p.handlers) > 0 {
		scripts = append(append(scripts, "'unsafe-hashes'"), p.handlers...)
	}
	if p.alpine {
		scripts = append(scripts, "'unsafe-eval'")
	}
	// Plausible's page has style attributes, and its scripts set more.
	return join(strings.Join(scripts, " "), "'self' 'unsafe-inline'")
}

// The sources are those of a document all of which is ours.
const plainScripts, plainStyles = "'self'", "'self'"

func join(scripts, styles string) string {
	return "default-src 'self'; object-src 'none'; script-src " + scripts + "; style-src " + styles +
		"; img-src 'self' data:; font-src 'self' data:; form-action 'self'; base-uri 'self'; frame-ancestors 'none'"
}
