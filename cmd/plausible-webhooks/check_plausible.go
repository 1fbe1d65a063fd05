package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"plausible-webhooks/config/env"
	"plausible-webhooks/config/settings/server"
	"plausible-webhooks/sender"

	"github.com/jackc/pgx/v5"
)

// plausiblePatience is short: a settings page that takes longer is of no use.
const plausiblePatience = 5 * time.Second

// probeDomains stand for a site in the path of the page. A slash in the second
// is as Plausible itself writes it, %2F, which some proxies decode.
const (
	probeDomain      = "example.com"
	probeSlashDomain = "example.com/shop"
)

func checkPlausible(ctx context.Context, conn *pgx.Conn, settings env.Settings) []finding {
	running := true
	if conn != nil {
		if found, err := findSidecars(ctx, conn); err == nil {
			running = found.Leads
		}
	}
	return []finding{checkPlausibleAnswers(ctx, settings.PlausibleURL), checkRoute(ctx, settings, running)}
}

// checkPlausibleAnswers asks Plausible's health page (v2.1 and newer answer
// it); any answer will do, since only the way there is in question.
func checkPlausibleAnswers(ctx context.Context, where url.URL) finding {
	const name = "Plausible"
	status, _, err := askPage(ctx, where.JoinPath("/api/health").String(), nil)
	if err != nil {
		return warning(name, fmt.Sprintf("%s://%s does not answer: %v", where.Scheme, where.Host, err),
			"set WEBHOOKS_PLAUSIBLE_URL to Plausible as this container reaches it; only the settings page needs it")
	}
	if status >= http.StatusInternalServerError {
		return warning(name, fmt.Sprintf("%s://%s answers its health page with %d", where.Scheme, where.Host, status), "see its log: docker compose logs plausible")
	}
	return ok(name, "%s://%s answers", where.Scheme, where.Host)
}

// checkRoute asks the public address for the Webhooks page, as a browser
// would, and finds out who answers.
func checkRoute(ctx context.Context, settings env.Settings, running bool) finding {
	const name = "settings page"
	base := settings.BaseURL
	public := base.Scheme + "://" + base.Host
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if roots, err := sender.Roots(settings.ReceiverRoots); err == nil { // Told of by checkReceivers.
		config.RootCAs = roots
	}
	ask := func(domain string) (answered bool, status int, err error) {
		status, body, err := askPage(ctx, public+server.ProbePath(domain), config)
		return status == http.StatusOK && body == server.ProbeAnswer, status, err
	}
	answered, status, err := ask(probeDomain)
	if err == nil && answered {
		if slash, status, err := ask(probeSlashDomain); err == nil && !slash {
			return warning(name, fmt.Sprintf("%s leads to the sidecar, but not for domains with a slash: %%2F gets %d", public, status),
				"let the proxy match and pass on the path as it was sent, %2F not decoded (deploy/REFERENCE.md section 7)")
		}
		return ok(name, "%s/…/settings/webhooks leads to the sidecar", public)
	}
	if err != nil {
		return warning(name, fmt.Sprintf("%s cannot be asked from here: %v", public, err),
			"see whether a browser shows \"plausible-webhooks\" at "+public+server.ProbePath(probeDomain))
	}
	if !running {
		return warning(name, fmt.Sprintf("%s/…/settings/webhooks is answered by somebody else (%d); no sidecar is running", public, status),
			"start it: docker compose up -d, and check again")
	}
	return warning(name, fmt.Sprintf("%s/…/settings/webhooks is answered by somebody else (%d): people do not see the page", public, status), routeMend)
}

// routeMend is what leads the proxies that there are files for to the sidecar.
const routeMend = `Caddy, in the site block of Plausible (file: deploy/caddy/webhooks.caddy): import webhooks.caddy
nginx, in the server block of Plausible (file: deploy/nginx/webhooks.conf): include /etc/nginx/webhooks.conf;
others: what deploy/REFERENCE.md section 7 says of the proxy in front`

// askPage asks for a page without following redirects. The error names no URL.
func askPage(ctx context.Context, address string, config *tls.Config) (status int, body string, err error) {
	const enough = 4 << 10
	ctx, cancel := context.WithTimeout(ctx, plausiblePatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, "", withoutURL(err)
	}
	client := http.Client{
		Transport:     &http.Transport{Proxy: nil, DisableKeepAlives: true, TLSClientConfig: config}, // HTTP_PROXY and the like are ignored.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, "", withoutURL(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(response.Body, enough))
	if err != nil {
		return 0, "", withoutURL(err)
	}
	return response.StatusCode, string(content), nil
}

// withoutURL takes out the URL, which may hold a password.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
