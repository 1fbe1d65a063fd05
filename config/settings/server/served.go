package server

import (
	"net/http"
	"time"

	"plausible-webhooks/config/outage"
)

// Route is what a request was for, for metrics.
type Route string

// The routes, as in deploy/REFERENCE.md section 7.
const (
	RoutePage        Route = "page"
	RouteAsset       Route = "asset"
	RoutePassthrough Route = "passthrough"
	RouteOther       Route = "other" // What the proxy in front should have sent to Plausible.
)

// Routes returns every route.
func Routes() []Route { return []Route{RoutePage, RouteAsset, RoutePassthrough, RouteOther} }

// Served is one request that was answered, for metrics.
type Served struct {
	Route  Route
	Status int // 499 where nobody waited for the answer.

	// Of a page: how long Plausible took to say who may see it, and how long
	// everything else took.
	Plausible, Own time.Duration
}

func (s *Server) served(x Served) {
	if s.tell != nil {
		s.tell(x)
	}
}

// watched remembers the status of an answer.
type watched struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *watched) WriteHeader(status int) {
	if w.status == 0 && status >= 200 { // Others announce an answer.
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *watched) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// watch answers what is no page, and tells of it.
func (s *Server) watch(route Route, w http.ResponseWriter, answer func(http.ResponseWriter)) {
	seen := &watched{ResponseWriter: w}
	defer func() {
		if seen.status == 0 {
			seen.status = statusGone
		}
		s.served(Served{Route: route, Status: seen.status})
	}()
	answer(seen)
}

// Troubles are why pages cannot be shown at the moment; nil: they can, as far as
// anybody has asked.
func (s *Server) Troubles() (plausible, database *outage.Present) {
	if t, ok := s.plausible.Present(); ok {
		plausible = &t
	}
	if t, ok := s.database.Present(); ok {
		database = &t
	}
	return plausible, database
}

// troubled tells once that permission cannot be asked for.
func (v *visitor) troubled(asked time.Time, ofDatabase bool, err error) {
	switch {
	case ofDatabase && v.database.Begin(asked, err):
		v.log.Error("the Webhooks page waits for PostgreSQL", "error", err)
	case !ofDatabase && v.plausible.Begin(asked, err):
		v.log.Warn("permission for the Webhooks page could not be asked for: check WEBHOOKS_PLAUSIBLE_URL", "error", err)
	default:
		v.log.Debug("permission for the Webhooks page could not be asked for", "error", err)
	}
}

// untroubled tells once that both answer again.
func (v *visitor) untroubled() {
	if lasted, news := v.database.End(); news {
		v.log.Info("the Webhooks page is served again: PostgreSQL answers", "after", lasted.Round(time.Second).String())
	}
	if lasted, news := v.plausible.End(); news {
		v.log.Info("Plausible answers the settings page again", "after", lasted.Round(time.Second).String())
	}
}
