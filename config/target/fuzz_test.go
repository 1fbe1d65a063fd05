package target_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"plausible-webhooks/config/target"
)

// allowedByOperator are the rules of an operator; whatever they let pass is
// listed by mayBeAllowed, in another way than the package finds it.
var allowedByOperator = []string{"n8n:5678", "hooks.example.com:8080", "127.0.0.0/8", "[fd00::]/8:9000", "8.8.8.8"}

// mayBeAllowed reports whether those rules could let http, or a port or an
// address that is not public, pass for a URL.
func mayBeAllowed(u target.URL) bool {
	if addr, err := netip.ParseAddr(u.Host()); err == nil {
		switch {
		case addr.Is4() && addr.IsLoopback():
			return true
		case addr.String() == "8.8.8.8":
			return slices.Contains(target.DefaultPorts(), u.Port()) || u.Scheme() == "http" && u.Port() == 80
		}
		return addr.Is6() && strings.HasPrefix(addr.String(), "fd") && u.Port() == 9000
	}
	if u.Host() == "n8n" && u.Port() == 5678 || u.Host() == "hooks.example.com" && u.Port() == 8080 {
		return true
	}
	// Any other name of a private network may lie in one of the ranges.
	_, suffix, dotted := strings.Cut(u.Host(), ".")
	for ; strings.Contains(suffix, "."); _, suffix, _ = strings.Cut(suffix, ".") {
		if suffix == "home.arpa" {
			return true
		}
	}
	return !dotted || slices.Contains([]string{"localhost", "local", "localdomain", "internal", "test", "lan", "home", "corp", "intranet", "private"}, suffix)
}

type dialledKey struct{}

var errDialled = errors.New("dialled")

// dialled returns what net/http asks a dialer to connect to for a URL.
func dialled(t *testing.T, transport *http.Transport, text string) (address string) {
	t.Helper()
	request, err := http.NewRequestWithContext(context.WithValue(t.Context(), dialledKey{}, &address), http.MethodPost, text, http.NoBody)
	if err != nil {
		t.Fatalf("%q: net/http: %v", text, err)
	}
	if _, err := transport.RoundTrip(request); !errors.Is(err, errDialled) {
		t.Fatalf("%q: net/http: %v, want it to dial", text, err)
	}
	return address
}

func FuzzParse(f *testing.F) {
	for _, family := range hostileURLs {
		for _, raw := range family.urls {
			if len(raw) <= 2*target.MaxLength { // Longer ones only slow the engine down.
				f.Add(raw)
			}
		}
	}
	for _, family := range families(f) {
		for _, addr := range slices.Concat(family.refused, family.public) {
			f.Add(spellings(addr.WithZone(""))[0])
		}
	}
	for _, raw := range []string{
		"https://bücher.example:8443/ü?x", "http://n8n:5678/webhook", "http://hooks.example.com:8080", "http://127.0.0.1:9000/x", "https://[fd00::1]:9000/", "http://8.8.8.8/", "http://a.b.home.arpa:1/",
	} {
		f.Add(raw)
	}
	strict, lenient := rules(f), rules(f, allowedByOperator...)
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
		if to, ok := ctx.Value(dialledKey{}).(*string); ok {
			*to = address
		}
		return nil, errDialled
	}}
	f.Fuzz(func(t *testing.T, raw string) {
		shown := target.Display(raw)
		for _, r := range []target.Rules{strict, lenient} {
			u, err := target.Parse(raw, r)
			if err != nil {
				if !u.IsZero() || !errors.Is(err, target.ErrRefused) {
					t.Errorf("%q: got %v with %v", raw, u, err)
				}
				continue
			}
			if _, err := target.ParseSaved(raw, r); err != nil {
				t.Errorf("%q: saved but not attempted: %v", raw, err)
			}
			checkAccepted(t, u, r, len(r.AllowedTargets) > 0)
			if u.String() != shown {
				t.Errorf("%q: shown as %s, want %s", raw, shown, u)
			}
			// The client's parser and its dialer must see the same host and port.
			parsed, err := url.Parse(u.Reveal())
			if err != nil || parsed.Hostname() != u.Host() || parsed.Scheme != u.Scheme() || parsed.User != nil || parsed.Fragment != "" || parsed.Opaque != "" {
				t.Fatalf("%q: net/url reads %s as %v, %v", raw, u.Reveal(), parsed, err)
			}
			host, portText, err := net.SplitHostPort(dialled(t, transport, u.Reveal()))
			if port, ok := target.ParsePort(portText); err != nil || host != u.Host() || !ok || port != u.Port() {
				t.Errorf("%q: net/http dials %s, port %s for %s, %v", raw, host, portText, u.Reveal(), err)
			}
		}
		if u, err := target.Parse(raw, strict); err == nil {
			if again, err := target.Parse(raw, lenient); err != nil || again.Reveal() != u.Reveal() {
				t.Errorf("%q: got %v, %v where more is allowed", raw, again, err)
			}
		}
	})
}

// checkAccepted checks what holds for every URL that rules let pass.
func checkAccepted(t *testing.T, u target.URL, r target.Rules, lenient bool) {
	t.Helper()
	text := u.Reveal()
	if again, err := target.Parse(text, r); err != nil || again.Reveal() != text {
		t.Errorf("%q: parses to %q, %v", text, again.Reveal(), err)
	}
	if len(text) > target.MaxLength || u.Host() == "" || u.Port() == 0 || u.Host() != strings.ToLower(u.Host()) || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		t.Errorf("%q: not normal", text)
	}
	allowed := lenient && mayBeAllowed(u)
	if !allowed && (u.Scheme() != "https" || !slices.Contains(r.AllowedPorts, u.Port())) {
		t.Errorf("%q: scheme and port are not allowed", text)
	}
	if addr, err := netip.ParseAddr(u.Host()); err == nil && !target.Public(addr) && !allowed {
		t.Errorf("%q: the address is not public", text)
	}
}
