package main

import (
	"slices"
	"strings"

	"plausible-webhooks/config/env"
)

// ambientProxies are the variables that many programs take a proxy from, in
// capitals.
var ambientProxies = []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}

func (p program) checkEnvironment(settings env.Settings, warnings []string) (found []finding) {
	for _, text := range warnings {
		found = append(found, warning("environment", text, "correct or remove the variable"))
	}
	if len(warnings) == 0 {
		found = append(found, ok("environment", "every variable is understood"))
	}
	return append(found, p.checkProxy(settings))
}

// checkProxy says which proxy requests to receivers take: an operator who sets
// the usual variables may think that it is theirs.
func (p program) checkProxy(settings env.Settings) finding {
	const name = "proxy"
	var ambient []string
	for _, variable := range p.source.Environ {
		key, value, _ := strings.Cut(variable, "=")
		if value != "" && slices.Contains(ambientProxies, strings.ToUpper(key)) {
			ambient = append(ambient, key)
		}
	}
	ignored := strings.Join(ambient, " and ")
	if len(ambient) > 1 {
		ignored += " are set and ignored"
	} else {
		ignored += " is set and ignored"
	}
	switch {
	case settings.Proxy.URL() != nil && len(ambient) > 0:
		return ok(name, "requests go through %s (WEBHOOKS_PROXY); %s", settings.Proxy, ignored)
	case settings.Proxy.URL() != nil:
		return ok(name, "requests go through %s (WEBHOOKS_PROXY)", settings.Proxy)
	case len(ambient) > 0:
		return warning(name, ignored+": requests go out directly", "if receivers are behind that proxy: WEBHOOKS_PROXY=http://host:port (else this is as it should be)")
	}
	return ok(name, "none: requests go out directly")
}
