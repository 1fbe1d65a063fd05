package passthrough

import (
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"plausible-webhooks/config/outage"

	"github.com/hashicorp/go-hclog"
)

// Bounds of what is held back to look for the menu.
const (
	// MaxPage is how many bytes a page may have, compressed and not.
	MaxPage = 4 << 20
	// Patience is how long a page is waited for from its first byte on, before
	// what has come of it goes through.
	Patience = 2 * time.Second
)

// Options of New.
type Options struct {
	Plausible url.URL // WEBHOOKS_PLAUSIBLE_URL.
	Base      url.URL // BASE_URL.
	Logger    hclog.Logger
	Patience  time.Duration // Zero: Patience.

	// Away is whether Plausible answers, shared with whoever else asks it. Nil:
	// nobody.
	Away *outage.Outage
}

// Proxy passes requests through. It is safe for concurrent use.
type Proxy struct {
	base      url.URL
	patience  time.Duration
	transport *http.Transport
	reverse   httputil.ReverseProxy
	log       hclog.Logger
	trouble   *outage.Outage
}

// New makes a proxy without connecting anywhere.
func New(options Options) *Proxy {
	p := &Proxy{base: options.Base, patience: options.Patience, log: options.Logger, trouble: options.Away}
	if p.trouble == nil {
		p.trouble = new(outage.Outage)
	}
	if p.patience == 0 {
		p.patience = Patience
	}
	p.transport = &http.Transport{
		Proxy:               nil, // What WEBHOOKS_PLAUSIBLE_URL names is on our own network.
		DisableCompression:  true,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     90 * time.Second,
	}
	p.reverse = httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { p.rewrite(r, options.Plausible) },
		Transport:      p.transport,
		FlushInterval:  -1, // What is streamed stays so.
		ModifyResponse: p.modify,
		ErrorHandler:   p.away,
		ErrorLog:       options.Logger.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
	}
	return p
}

// Close lets go of idle connections.
func (p *Proxy) Close() { p.transport.CloseIdleConnections() }

// Keys of what a request's context holds: the domain, and when it was sent.
type (
	domainKey struct{}
	askedKey  struct{}
)

// ServeHTTP passes a request for a page of the domain's settings through.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request, domain string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || r.Header.Get("Upgrade") != "" {
		http.Error(w, "plausible-webhooks passes only GETs of a site's settings through.\n"+
			"This request is for Plausible: the proxy in front should send it there.", http.StatusMisdirectedRequest)
		return
	}
	ctx := context.WithValue(r.Context(), domainKey{}, domain)
	p.reverse.ServeHTTP(w, r.WithContext(context.WithValue(ctx, askedKey{}, time.Now())))
}

// rewrite aims the request at Plausible and restores what ReverseProxy tidies.
func (p *Proxy) rewrite(r *httputil.ProxyRequest, plausible url.URL) {
	out := r.Out
	out.URL.Scheme, out.URL.Host = plausible.Scheme, plausible.Host
	if prefix := strings.TrimSuffix(plausible.EscapedPath(), "/"); prefix != "" {
		out.URL.RawPath = prefix + r.In.URL.EscapedPath()
		out.URL.Path = strings.TrimSuffix(plausible.Path, "/") + r.In.URL.Path
	}
	out.URL.RawQuery, out.URL.ForceQuery = r.In.URL.RawQuery, r.In.URL.ForceQuery
	out.Host = r.In.Host
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"} {
		if values, ok := r.In.Header[name]; ok {
			out.Header[name] = values
		}
	}
	r.SetXForwarded()
	// SetXForwarded knows only the connection to us, which is never TLS.
	out.Header["X-Forwarded-Proto"] = r.In.Header["X-Forwarded-Proto"]
	if len(out.Header["X-Forwarded-Proto"]) == 0 {
		out.Header.Set("X-Forwarded-Proto", p.base.Scheme)
	}
	if host, ok := r.In.Header["X-Forwarded-Host"]; ok {
		out.Header["X-Forwarded-Host"] = host
	} else {
		out.Header.Del("X-Forwarded-Host") // Host itself is kept.
	}
	narrowEncoding(out.Header)
}

// narrowEncoding asks for gzip at most: Plausible would rather send something
// that we cannot read, and the entry would be missing.
func narrowEncoding(header http.Header) {
	if acceptsGzip(strings.Join(header.Values("Accept-Encoding"), ",")) {
		header.Set("Accept-Encoding", "gzip")
	} else {
		header.Del("Accept-Encoding")
	}
}

func acceptsGzip(accepted string) bool {
	for offer := range strings.SplitSeq(accepted, ",") {
		coding, weight, _ := strings.Cut(offer, ";")
		if coding = strings.TrimSpace(coding); strings.EqualFold(coding, "gzip") || coding == "*" {
			weight = strings.ReplaceAll(weight, " ", "")
			return weight != "q=0" && weight != "q=0.0" && weight != "q=0.00" && weight != "q=0.000"
		}
	}
	return false
}

// away answers when Plausible does not.
func (p *Proxy) away(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(r.Context().Err(), context.Canceled) {
		return // The browser has left.
	}
	asked, _ := r.Context().Value(askedKey{}).(time.Time)
	if p.trouble.Begin(asked, err) {
		p.log.Warn("pages of Plausible's settings cannot be passed through: check WEBHOOKS_PLAUSIBLE_URL", "error", err)
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, "plausible-webhooks cannot reach Plausible at the moment (WEBHOOKS_PLAUSIBLE_URL).", http.StatusBadGateway)
}
