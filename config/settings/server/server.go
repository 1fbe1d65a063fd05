package server

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"plausible-webhooks/config/outage"
	"plausible-webhooks/config/settings"
	"plausible-webhooks/config/settings/gate"
	"plausible-webhooks/config/settings/passthrough"
	"plausible-webhooks/config/settings/shell"
	"plausible-webhooks/config/settings/static"

	"github.com/hashicorp/go-hclog"
)

// Pages reads and changes what a site's people see. Every visit has been
// allowed by Plausible a moment ago.
type Pages interface {
	// Serve answers a visit. Method is GET (for HEAD too) or POST; a GET changes
	// nothing. What is not there is a page with its status; an error is shown to
	// the person as a reference only, and logged.
	Serve(ctx context.Context, visit settings.Visit, method string) (settings.Page, error)
}

// MaxForm is how many bytes a form may have.
const MaxForm = 64 << 10

// answerLimit bounds one of our own answers, from the first byte read to the
// last one written.
const answerLimit = 30 * time.Second

// Asset returns a style or script of the pages by its name below a visit's Base
// + "/assets/", which holds a hash of its content. The pages link to it
// themselves.
type Asset func(name string) (content []byte, contentType string, ok bool)

// Options are what New needs.
type Options struct {
	DB        gate.Database
	Plausible url.URL // WEBHOOKS_PLAUSIBLE_URL.
	Base      url.URL // BASE_URL.
	Pages     Pages
	Asset     Asset // May be nil.
	Logger    hclog.Logger
	// Patience bounds the gate's question; zero: gate.Patience.
	Patience time.Duration
	// Served is told of each answer, for metrics; it must not block. Nil: nobody
	// counts.
	Served func(Served)
}

// Server is everything at WEBHOOKS_LISTEN: the Webhooks page, its assets, and
// the settings of Plausible that pass through with an entry more.
type Server struct {
	gate    *gate.Gate
	pages   Pages
	assets  *static.Set // The shell's.
	asset   Asset
	through *passthrough.Proxy
	origin  *http.CrossOriginProtection
	log     hclog.Logger
	tell    func(Served) // Nil: nobody counts.

	plausible, database outage.Outage // Why permission cannot be asked for.
}

// New makes the handler without connecting anywhere.
func New(options Options) (*Server, error) {
	set, err := static.New(shell.Assets())
	if err != nil {
		return nil, err
	}
	s := &Server{
		gate:   gate.New(gate.Options{DB: options.DB, Plausible: options.Plausible, Base: options.Base, Patience: options.Patience}),
		pages:  options.Pages,
		assets: set,
		asset:  options.Asset,
		origin: http.NewCrossOriginProtection(),
		log:    options.Logger,
		tell:   options.Served,
	}
	s.through = passthrough.New(passthrough.Options{Plausible: options.Plausible, Base: options.Base, Logger: options.Logger, Away: &s.plausible})
	// The proxy in front may send another Host than the one in the address bar.
	if err := s.origin.AddTrustedOrigin(originOf(options.Base)); err != nil {
		return nil, fmt.Errorf("trust forms of BASE_URL: %w", err)
	}
	return s, nil
}

// originOf writes an address as browsers write it into Origin: in lower case,
// and without the port that the scheme has anyway.
func originOf(base url.URL) string {
	host := strings.ToLower(base.Host)
	switch base.Scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return base.Scheme + "://" + host
}

// Close lets go of idle connections to Plausible.
func (s *Server) Close() {
	s.gate.Close()
	s.through.Close()
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at, kind := locate(r.URL.EscapedPath())
	switch kind {
	case kindPage:
		s.servePage(w, r, at)
	case kindAsset:
		s.watch(RouteAsset, w, func(w http.ResponseWriter) { s.serveAsset(w, r, at) })
	case kindSettings:
		s.watch(RoutePassthrough, w, func(w http.ResponseWriter) { s.through.ServeHTTP(w, r, at.domain) })
	default:
		s.watch(RouteOther, w, misdirected)
	}
}

// misdirected answers what the proxy in front should not have sent here: only
// Plausible can, and a tracker's events must never depend on the sidecar.
func misdirected(w http.ResponseWriter) {
	http.Error(w, "plausible-webhooks serves /{domain}/settings/webhooks and passes GETs of /{domain}/settings/… through.\n"+
		"This request is for Plausible: the proxy in front should send it there.", http.StatusMisdirectedRequest)
}

func (s *Server) serveAsset(w http.ResponseWriter, r *http.Request, at address) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "assets can only be read", http.StatusMethodNotAllowed)
		return
	}
	name := at.rest[1]
	if name == probe {
		answerProbe(w)
		return
	}
	content, contentType, ok := s.assets.Open(name)
	if !ok && s.asset != nil {
		content, contentType, ok = s.asset(name)
	}
	if !ok {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "there is no such asset in this version of plausible-webhooks", http.StatusNotFound)
		return
	}
	static.Serve(w, r, name, content, contentType)
}
