// Package proxy is the operator's reverse proxy of the devstack: one address
// for Plausible and the sidecar, so that a browser finds everything where it
// finds it in production.
//
// It routes as the proxy snippets do: /*/settings/webhooks… and GETs of
// /*/settings/… go to the sidecar, everything else goes to Plausible, and so
// does a GET that the sidecar does not answer. Paths are matched as they were
// sent, never decoded.
package proxy

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"sync"
	"sync/atomic"
	"time"
)

var (
	ownPages = regexp.MustCompile(`^/[^/]+/settings/webhooks(?:/|$)`)
	settings = regexp.MustCompile(`^/[^/]+/settings/`)
)

// Proxy is the running proxy.
type Proxy struct {
	plausible atomic.Pointer[url.URL]
	sidecar   atomic.Pointer[url.URL]
	listener  net.Listener
	server    *http.Server
	transport *http.Transport
	serving   sync.WaitGroup
}

// Start listens at an address, or at a free port of the loopback interface.
// Plausible and the sidecar are told later: both want to know this address
// first.
func Start(address string) (*Proxy, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen as the proxy on %s: %w", address, err)
	}
	p := &Proxy{listener: listener, transport: &http.Transport{DisableCompression: true}}
	quiet := log.New(io.Discard, "", 0)
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second, ErrorLog: quiet}
	p.serving.Go(func() { _ = p.server.Serve(listener) })
	return p, nil
}

// URL is the address of the proxy, which is BASE_URL, without a final slash.
func (p *Proxy) URL() string { return "http://" + p.listener.Addr().String() }

// Plausible says where Plausible is.
func (p *Proxy) Plausible(address string) error { return set(&p.plausible, address) }

// Sidecar says where WEBHOOKS_LISTEN is.
func (p *Proxy) Sidecar(address string) error { return set(&p.sidecar, address) }

func set(into *atomic.Pointer[url.URL], address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return fmt.Errorf("route to %q: want http://host:port", address)
	}
	into.Store(u)
	return nil
}

// Stop ends it.
func (p *Proxy) Stop() {
	_ = p.server.Close() // Browsers are not waited for.
	p.serving.Wait()
	p.transport.CloseIdleConnections()
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	sidecar := p.sidecar.Load()
	if sidecar == nil || !ownPages.MatchString(path) && (!read || !settings.MatchString(path) || r.Header.Get("Upgrade") != "") {
		p.to(w, r, p.plausible.Load(), nil)
		return
	}
	p.to(w, r, sidecar, func(w http.ResponseWriter, r *http.Request) {
		if !read {
			http.Error(w, "the sidecar does not answer", http.StatusBadGateway)
			return
		}
		p.to(w, r, p.plausible.Load(), nil)
	})
}

// away ends an answer that is to be asked for elsewhere.
type away struct{}

func (away) Error() string { return "502" }

// to passes a request on; otherwise is what happens where nobody answers, or
// answers 502.
func (p *Proxy) to(w http.ResponseWriter, r *http.Request, where *url.URL, otherwise http.HandlerFunc) {
	if where == nil {
		http.Error(w, "not up yet", http.StatusBadGateway)
		return
	}
	reverse := httputil.ReverseProxy{
		Transport:     p.transport,
		FlushInterval: -1,
		ErrorLog:      p.server.ErrorLog,
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.Out.URL.Scheme, pr.Out.URL.Host, pr.Out.Host = where.Scheme, where.Host, pr.In.Host
			pr.Out.URL.RawQuery = pr.In.URL.RawQuery
			pr.SetXForwarded()
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, _ error) {
			switch {
			case r.Context().Err() != nil:
			case otherwise != nil:
				otherwise(w, r.WithContext(context.WithoutCancel(r.Context())))
			default:
				http.Error(w, "Plausible does not answer", http.StatusBadGateway)
			}
		},
	}
	if otherwise != nil {
		reverse.ModifyResponse = func(answer *http.Response) error {
			if answer.StatusCode == http.StatusBadGateway && (r.Method == http.MethodGet || r.Method == http.MethodHead) && !ownPages.MatchString(r.URL.EscapedPath()) {
				return away{}
			}
			return nil
		}
	}
	reverse.ServeHTTP(w, r)
}
