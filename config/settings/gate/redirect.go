package gate

import (
	"net/url"
	"strings"
)

// wayBack turns the target of Plausible's redirect into a path on BASE_URL that
// leads back to our page. Plausible redirects so to sign in, to verify an
// address, to set up two-factor authentication, and to its first launch.
//
// A redirect to the page itself would go round in circles, and one to another
// host would lead a person away; both mean that an address is set wrongly.
func (g *Gate) wayBack(location, domain, page string) (string, error) {
	asked := url.URL{Scheme: g.base.Scheme, Host: g.base.Host, Path: "/"}
	target, err := asked.Parse(location)
	if err != nil || target.Path == "" || !strings.HasPrefix(target.Path, "/") {
		return "", leadsAway("")
	}
	if target.EscapedPath() == settingsPath(domain) || target.Path == "/"+domain+"/settings/email-reports" {
		return "", circular(target, &g.base)
	}
	if !sameHost(target, &g.base) {
		return "", leadsAway(target.Scheme + "://" + target.Host)
	}
	// A browser reads // and /\ at the start as another host.
	if len(target.Path) > 1 && (target.Path[1] == '/' || target.Path[1] == '\\') {
		return "", leadsAway("")
	}
	query := target.Query()
	query.Set("return_to", page)
	return target.EscapedPath() + "?" + query.Encode(), nil
}

func sameHost(a, b *url.URL) bool {
	return strings.EqualFold(a.Hostname(), b.Hostname()) && (a.Scheme == "http" || a.Scheme == "https") && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	// Plausible behind a proxy may not know that the proxy speaks TLS: the
	// default ports are one and the same here.
	return "default"
}
