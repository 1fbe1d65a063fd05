package sender_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config/target"
	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/sender"
)

func TestReachTellsWhatAnAttemptWouldMeet(t *testing.T) {
	r, err := receiver.Start(receiver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	roots, err := sender.Roots(r.CA())
	if err != nil {
		t.Fatal(err)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	loopback, err := target.ParseAllowed("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	allowed := sender.Options{Rules: target.Rules{AllowedTargets: []target.Allowed{loopback}, AllowedPorts: target.DefaultPorts()}, Roots: roots, Timeout: 5 * time.Second}
	untrusting := allowed
	untrusting.Roots = nil
	proxied := allowed
	if proxied.Proxy, err = url.Parse(plain.URL); err != nil {
		t.Fatal(err)
	}
	deaf := proxied
	deaf.Proxy = &url.URL{Scheme: "http", Host: "127.0.0.1:1"}

	for name, c := range map[string]struct {
		options sender.Options
		url     string
		refused bool
		want    string // Empty: it is reached.
	}{
		"a receiver":          {options: allowed, url: r.URL("/secret-path")},
		"by http":             {options: allowed, url: plain.URL},
		"an unknown root":     {options: untrusting, url: r.URL("/secret-path"), want: "WEBHOOKS_CA_FILE"},
		"nobody":              {options: allowed, url: "https://127.0.0.1:1/secret-path", want: "connection refused"},
		"no TLS":              {options: allowed, url: strings.Replace(plain.URL, "http:", "https:", 1), want: "does not speak TLS"},
		"a private address":   {options: sender.Defaults(), url: "https://127.0.0.1/secret-path", refused: true, want: "not allowed"},
		"no URL":              {options: allowed, url: "ftp://nowhere/secret-path", refused: true, want: "https://"},
		"no such name":        {options: allowed, url: "https://no-such-name.invalid/secret-path", want: "the host name"},
		"behind a proxy":      {options: proxied, url: "https://hooks.example.com/secret-path", want: sender.ErrProxyOnly.Error()},
		"behind a deaf proxy": {options: deaf, url: "https://hooks.example.com/secret-path", want: "WEBHOOKS_PROXY: connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			refused, err := sender.NewReacher(c.options).Reach(t.Context(), c.url)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("%v; want it reached", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret-path")):
				t.Errorf("error is %v; want one with %q", err, c.want)
			case refused != c.refused:
				t.Errorf("refused: %v; want %v", refused, c.refused)
			}
			if behind := name == "behind a proxy"; behind != errors.Is(err, sender.ErrProxyOnly) {
				t.Errorf("error is %v", err)
			}
		})
	}
	if got := r.Requests("/secret-path"); len(got) > 0 {
		t.Errorf("%d requests were made; want none", len(got))
	}
}
