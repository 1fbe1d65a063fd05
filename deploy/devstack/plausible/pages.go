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
	Older         bool
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

func (s *Server) notFound(w http.ResponseWriter) {
	s.render(w, http.StatusNotFound, "error", page{Title: "404", Error: "Oops! There's nothing here."})
}

// fail shows the error: the stand-in serves developers, who want to see it.
func (s *Server) fail(w http.ResponseWriter, err error) {
	http.Error(w, "devstack: "+err.Error(), http.StatusInternalServerError)
}
