package server

import (
	"net/http"

	"plausible-webhooks/config/settings/menu"
	"plausible-webhooks/config/settings/static"
)

// Nothing but a sidecar answers the probe with ProbeAnswer, whatever its
// version: `check` finds out by it where the operator's proxy leads. It tells
// nothing that the page does not, and needs no permission.
const (
	probe       = "probe"
	ProbeAnswer = "plausible-webhooks\n"
)

// ProbePath is the path of the probe below the page of a domain, which need
// not be a site's.
func ProbePath(domain string) string {
	return menu.Prefix(domain) + "webhooks/" + static.Folder + "/" + probe
}

func answerProbe(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write([]byte(ProbeAnswer)) // Whoever asked has gone.
}
