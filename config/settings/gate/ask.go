package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"plausible-webhooks/config/settings/menu"
)

// Answer is Plausible's answer, as much of it as may be handed on.
type Answer struct {
	Status      int
	ContentType string
	Location    string   // Of a redirect: a path on BASE_URL with its query.
	SetCookie   []string // To be passed on whatever was decided.
	Body        []byte
}

// settingsPath is the page that is asked for.
func settingsPath(domain string) string { return menu.Prefix(domain) + "email-reports" }

// ask sends the question and reads the answer.
func (g *Gate) ask(ctx context.Context, r *http.Request, domain string) (Answer, error) {
	question, err := g.question(ctx, r, domain)
	if err != nil {
		return Answer{}, unreachable(err)
	}
	response, err := g.client.Do(question)
	if err != nil {
		return Answer{}, unreachable(withoutURL(err))
	}
	defer func() { _ = response.Body.Close() }()
	answer := Answer{
		Status:      response.StatusCode,
		ContentType: response.Header.Get("Content-Type"),
		SetCookie:   response.Header.Values("Set-Cookie"),
	}
	switch answer.Status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		answer.Location = response.Header.Get("Location")
		if answer.Location == "" {
			return answer, strange(answer)
		}
		return answer, nil // The body of a redirect is of no use.
	}
	answer.Body, err = io.ReadAll(io.LimitReader(response.Body, MaxAnswer+1))
	if err != nil {
		return answer, unreachable(fmt.Errorf("read Plausible's answer: %w", err))
	}
	if len(answer.Body) > MaxAnswer {
		return answer, tooLong()
	}
	return answer, nil
}

// question rebuilds the request from its parts: nothing of the visitor's path
// or query gets into it.
func (g *Gate) question(ctx context.Context, r *http.Request, domain string) (*http.Request, error) {
	target := g.plausible
	target.User, target.RawQuery, target.Fragment = nil, "", ""
	prefix := strings.TrimSuffix(g.plausible.EscapedPath(), "/")
	target.RawPath = prefix + settingsPath(domain)
	path, err := url.PathUnescape(target.RawPath)
	if err != nil {
		return nil, fmt.Errorf("rebuild the path of a site's settings: %w", err)
	}
	target.Path = path
	question, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask Plausible: %w", err)
	}
	if g.plausible.User != nil {
		password, _ := g.plausible.User.Password()
		question.SetBasicAuth(g.plausible.User.Username(), password)
	}
	for _, name := range []string{"Cookie", "Accept-Language", "User-Agent"} {
		if values := r.Header.Values(name); len(values) > 0 {
			question.Header[name] = values
		}
	}
	question.Header.Set("Accept", "text/html")
	question.Host = g.base.Host
	question.Header.Set("X-Forwarded-Proto", g.base.Scheme)
	question.Header.Set("X-Forwarded-For", forwardedFor(r))
	return question, nil
}

// forwardedFor adds the address that the request came from to what the proxy
// in front wrote.
func forwardedFor(r *http.Request) string {
	chain := append([]string(nil), r.Header.Values("X-Forwarded-For")...)
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		chain = append(chain, host)
	}
	return strings.Join(chain, ", ")
}

// withoutURL drops the address from a client's error: a log has no use for
// which site's page was asked for.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
