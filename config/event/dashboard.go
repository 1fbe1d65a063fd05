package event

import (
	"net/url"
	"strings"
)

// DashboardURL is the address of a site's dashboard in Plausible, of its
// realtime view if asked for. The domain is encoded as Plausible encodes it
// with URI.encode_www_form: a slash in it becomes %2F. baseURL is BASE_URL; a
// trailing slash does not matter.
func DashboardURL(baseURL, domain string, realtime bool) string {
	address := strings.TrimRight(baseURL, "/") + "/" + url.QueryEscape(domain)
	if realtime {
		address += "?period=realtime"
	}
	return address
}
