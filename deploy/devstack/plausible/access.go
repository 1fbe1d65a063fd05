package plausible

import (
	"errors"
	"net/http"
	"net/url"
)

// siteRow is what the pages need of a site.
type siteRow struct {
	ID     int64
	Domain string
	Public bool
}

// Path is the site's domain as Plausible writes it into links
// (URI.encode_www_form): a slash becomes %2F.
func (s siteRow) Path() string { return url.QueryEscape(s.Domain) }

// settingsRoles may open the settings of a site (AuthorizeSiteAccess in
// SiteController); everybody else gets a 404.
var settingsRoles = map[string]bool{"owner": true, "admin": true, "editor": true, "super_admin": true}

type siteHandler func(w http.ResponseWriter, r *http.Request, u user, site siteRow)

// account lets only people who are signed in pass.
func (s *Server) account(next func(http.ResponseWriter, *http.Request, user)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		u, ok := s.signedIn(r)
		if !ok {
			s.askToSignIn(w, r)
			return
		}
		next(w, r, u)
	}
}

// site lets only those pass who may open the settings of the site in the path,
// and checks the CSRF token of everything that writes.
func (s *Server) site(next siteHandler) http.HandlerFunc {
	return s.account(func(w http.ResponseWriter, r *http.Request, u user) {
		site, role, err := s.role(r.Context(), u, r.PathValue("domain"))
		if errors.Is(err, errNoAccess) || err == nil && !settingsRoles[role] {
			s.notFound(w)
			return
		}
		if err != nil {
			s.fail(w, err)
			return
		}
		if r.Method != http.MethodGet && r.FormValue("_csrf_token") != s.csrf(u) {
			http.Error(w, "Invalid CSRF token", http.StatusForbidden)
			return
		}
		next(w, r, u, site)
	})
}

// askToSignIn redirects as RequireAccountPlug does: only a GET is returned to.
func (s *Server) askToSignIn(w http.ResponseWriter, r *http.Request) {
	target := "/login"
	if r.Method == http.MethodGet {
		target += "?return_to=" + url.QueryEscape(r.URL.RequestURI())
	}
	http.Redirect(w, r, target, http.StatusFound)
}

// dashboard is Plausible's catch-all: any path below a site is answered with
// the dashboard for those who may see it, to strangers too where it is public.
func (s *Server) dashboard(w http.ResponseWriter, r *http.Request) {
	u, _ := s.signedIn(r)
	site, role, err := s.role(r.Context(), u, r.PathValue("domain"))
	switch {
	case errors.Is(err, errNoAccess) && !site.Public:
		s.notFound(w)
	case err != nil && !errors.Is(err, errNoAccess):
		s.fail(w, err)
	default:
		s.render(w, http.StatusOK, "dashboard", page{Title: site.Domain, User: u.email, Site: site, CanEdit: settingsRoles[role]})
	}
}
