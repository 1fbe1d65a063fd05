package plausible

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed templates/app.css
var stylesheet []byte

//go:embed templates/app.js
var script []byte

var templates = template.Must(template.ParseFS(templateFiles, "templates/*.html"))

// page is what the templates show.
type page struct {
	Title         string
	User          string
	CSRF          string
	Error         string
	ReturnTo      string
	Site          siteRow
	CanEdit       bool
	Tabs          []tab
	Active        tab
	Layout        Layout
	Theme         string // As users.theme: system, light or dark.
	Sites         []siteRow
	Goals         []goalRow
	Notifications []notificationRow
}

func (s *Server) render(w http.ResponseWriter, status int, name string, p page) {
	var html bytes.Buffer
	if err := templates.ExecuteTemplate(&html, name, p); err != nil {
		s.fail(w, err)
		return
	}
	header := w.Header()
	// Phoenix 1.8's put_secure_browser_headers; 1.7 had X-Frame-Options.
	header.Set("Content-Security-Policy", "base-uri 'self'; frame-ancestors 'self'")
	header.Set("Cache-Control", "max-age=0, private, must-revalidate")
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("X-Frame-Options", "SAMEORIGIN")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "strict-origin-when-cross-origin")
	header.Set("X-Robots-Tag", "noindex, nofollow")
	w.WriteHeader(status)
	_, _ = w.Write(html.Bytes()) // The browser may be gone.
}

func (s *Server) stylesheet(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css")
	_, _ = w.Write(stylesheet) // The browser may be gone.
}

func (s *Server) script(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/javascript")
	_, _ = w.Write(script) // The browser may be gone.
}

// step is a page that a person has to pass first; the stand-in has no more of
// it than the title.
func (s *Server) step(title string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		s.render(w, http.StatusOK, "error", page{Title: title, Error: "Not part of the stand-in."})
	}
}

func (s *Server) notFound(w http.ResponseWriter) {
	s.render(w, http.StatusNotFound, "error", page{Title: "404", Error: "Oops! There's nothing here."})
}

// fail shows the error: the stand-in serves developers, who want to see it.
func (s *Server) fail(w http.ResponseWriter, err error) {
	http.Error(w, "devstack: "+err.Error(), http.StatusInternalServerError)
}
