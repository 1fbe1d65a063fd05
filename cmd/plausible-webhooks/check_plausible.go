package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// plausiblePatience is short: a settings page that takes longer is of no use.
const plausiblePatience = 5 * time.Second

// checkPlausible asks Plausible's health page (v2.1 and newer answer it); any
// answer will do, since only the way there is in question.
func checkPlausible(ctx context.Context, where url.URL) finding {
	const name = "Plausible"
	ctx, cancel := context.WithTimeout(ctx, plausiblePatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where.JoinPath("/api/health").String(), nil)
	if err == nil {
		client := http.Client{
			// What WEBHOOKS_PLAUSIBLE_URL names is on our own network.
			Transport:     &http.Transport{Proxy: nil, DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		var response *http.Response
		if response, err = client.Do(request); err == nil {
			_ = response.Body.Close()
			return ok(name, "%s://%s answers", where.Scheme, where.Host)
		}
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // Without the URL, which may hold a password.
	}
	return warning(name, fmt.Sprintf("%s://%s does not answer: %v", where.Scheme, where.Host, err),
		"set WEBHOOKS_PLAUSIBLE_URL to Plausible as this container reaches it; only the settings page needs it")
}
