package gate

import (
	"bytes"
	"strings"

	"golang.org/x/net/html"

	"plausible-webhooks/config/settings/menu"
)

// formsOfThePage are what the email reports page of a site sends its forms to,
// after "/sites/{domain}/".
var formsOfThePage = []string{"weekly-report", "monthly-report", "traffic-change-notification", "spike-notification", "drop-notification"}

// provesSettings tells whether a document is the email reports page of the
// domain's settings: an element links to that page, as its menu does in all
// versions, or sends something where its forms do.
func provesSettings(document []byte, domain string) bool {
	page, sites := settingsPath(domain), "/sites/"+menu.Encode(domain)+"/"
	z := html.NewTokenizer(bytes.NewReader(document))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return false
		case html.StartTagToken, html.SelfClosingTagToken:
			for more := true; more; {
				var value []byte
				_, value, more = z.TagAttr()
				if proves(string(value), page, sites) {
					return true
				}
			}
		}
	}
}

func proves(value, page, sites string) bool {
	if value == page {
		return true
	}
	rest, ok := strings.CutPrefix(value, sites)
	if !ok {
		return false
	}
	for _, form := range formsOfThePage {
		if rest == form || strings.HasPrefix(rest, form+"/") {
			return true
		}
	}
	return false
}
