package plausible

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"plausible-webhooks/deploy/devstack/stack"
)

// Layout is the page structure of a range of Plausible versions.
type Layout string

// The layouts a test can ask for.
const (
	Current Layout = "current" // v3.2.
	Older   Layout = "older"   // v2.1 to v3.0: no wrapper around the sidebar.
	// Unknown is made up: a menu across the top, and nothing that a version so
	// far has but the links themselves.
	Unknown Layout = "unknown"
)

// FlushInterval is Plausible's CLICKHOUSE_FLUSH_INTERVAL_MS default.
const FlushInterval = 5 * time.Second

// Options of Start.
type Options struct {
	Addr          string        // Default: a free port on 127.0.0.1.
	DatabaseURL   string        // PostgreSQL with Plausible's schema.
	ClickHouseURL string        // ClickHouse with Plausible's tables.
	Layout        Layout        // Default: Current.
	FlushInterval time.Duration // Default: FlushInterval.
}

// Server is the running stand-in.
type Server struct {
	db       *pgxpool.Pool
	layout   atomic.Pointer[Layout]
	key      []byte // Signs cookies; made anew at each start, which signs everyone out.
	buffer   *writeBuffer
	listener net.Listener
	http     *http.Server
	serving  sync.WaitGroup
}

// Start listens until Stop.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if opts.Addr == "" {
		opts.Addr = "127.0.0.1:0"
	}
	if opts.Layout == "" {
		opts.Layout = Current
	}
	if opts.FlushInterval == 0 {
		opts.FlushInterval = FlushInterval
	}
	db, err := pgxpool.New(ctx, opts.DatabaseURL)
	if err != nil {
		return nil, fmt.Errorf("connect the stand-in for Plausible to PostgreSQL: %w", err)
	}
	listener, err := net.Listen("tcp", opts.Addr)
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("listen as Plausible on %s: %w", opts.Addr, err)
	}
	write := func(ctx context.Context, events []stack.Event) error {
		return stack.InsertEvents(ctx, opts.ClickHouseURL, events)
	}
	s := &Server{
		db:       db,
		key:      randomBytes(32),
		buffer:   newWriteBuffer(opts.FlushInterval, write),
		listener: listener,
	}
	s.Show(opts.Layout)
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	s.serving.Go(func() { _ = s.http.Serve(listener) })
	s.serving.Go(s.buffer.run)
	return s, nil
}

// URL is the address of the stand-in, without a trailing slash.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Show has the settings pages in another layout from now on.
func (s *Server) Show(layout Layout) { s.layout.Store(&layout) }

// Flush writes what is buffered at once, as Plausible does when it stops.
func (s *Server) Flush(ctx context.Context) error { return s.buffer.flush(ctx) }

// Stop writes what is buffered and ends.
func (s *Server) Stop() {
	_ = s.http.Close()
	s.buffer.stop()
	s.serving.Wait()
	s.db.Close()
}

// routes mirror lib/plausible_web/router.ex as far as the sidecar meets it.
// The catch-all comes last: Plausible answers any unknown path of a site with
// the dashboard's logic.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/event", s.ingest)
	mux.HandleFunc("GET /api/system/health/ready", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, `{"postgres":"ok","clickhouse":"ok"}`)
	})
	mux.HandleFunc("GET /login", s.loginForm)
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("GET /logout", s.logout)
	mux.HandleFunc("GET /activate", s.step("Verify your email"))
	mux.HandleFunc("GET /2fa/setup/force-initiate", s.step("Set up two-factor authentication"))
	mux.HandleFunc("GET /register", s.step("Create the first account"))
	mux.HandleFunc("GET /css/app.css", s.stylesheet)
	mux.HandleFunc("GET /js/app.js", s.script)
	mux.HandleFunc("GET /sites", s.account(s.siteList))
	mux.HandleFunc("GET /{domain}/settings", s.site(s.settingsIndex))
	mux.HandleFunc("GET /{domain}/settings/{tab}", s.settings)
	mux.HandleFunc("GET /{domain}/settings/shields/{shield}", s.settingsShield)
	mux.HandleFunc("POST /{domain}/settings/goals", s.site(s.addGoal))
	mux.HandleFunc("POST /{domain}/settings/goals/{id}/delete", s.site(s.deleteGoal))
	mux.HandleFunc("DELETE /{domain}/stats", s.site(s.resetStats))
	mux.HandleFunc("DELETE /{domain}", s.site(s.deleteSite))
	mux.HandleFunc("POST /sites/{domain}/traffic-change-notification/{type}/{switch}", s.site(s.switchNotification))
	mux.HandleFunc("PUT /sites/{domain}/traffic-change-notification/{type}", s.site(s.updateNotification))
	mux.HandleFunc("GET /{domain}", s.dashboard)
	mux.HandleFunc("GET /{domain}/{path...}", s.dashboard)
	return emptySegments(compressed(methodOverride(mux)))
}

// methodOverride turns the _method field of a form into the method, as
// Phoenix does, since forms can only GET and POST.
func methodOverride(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
			switch method := r.FormValue("_method"); method {
			case "put", "delete", "patch":
				r.Method = map[string]string{"put": http.MethodPut, "delete": http.MethodDelete, "patch": http.MethodPatch}[method]
			}
		}
		next.ServeHTTP(w, r)
	})
}
