package plausible

import (
	"context"
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

// account lets only people who are signed in pass, after what Plausible asks of
// them before (FirstLaunchPlug, RequireAccountPlug): the first account, a
// verified address, and two-factor authentication where a team demands it.
func (s *Server) account(next func(http.ResponseWriter, *http.Request, user)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		u, ok := s.signedIn(r)
		if !ok {
			s.askToSignIn(w, r)
			return
		}
		first, err := s.firstStep(r.Context(), u)
		switch {
		case err != nil:
			s.fail(w, err)
		case first != "":
			http.Redirect(w, r, first, http.StatusFound)
		default:
			next(w, r, u)
		}
	}
}

// firstStep is where a person who has signed in is sent before anything else;
// empty: nowhere.
func (s *Server) firstStep(ctx context.Context, u user) (string, error) {
	var unverified, demanded bool
	// The policy came with v3.1, and teams with v3.0.
	query := `select not email_verified, false from users where id = $1`
	if teams, err := hasTeams(ctx, s.db); err != nil {
		return "", err
	} else if teams {
		query = `select not u.email_verified, not u.totp_enabled and exists (
				select from team_memberships m join teams t on t.id = m.team_id
				where m.user_id = u.id and (to_jsonb(t) -> 'policy' ->> 'force_all_members_2fa')::bool)
			from users u where u.id = $1`
	}
	if err := s.db.QueryRow(ctx, query, u.id).Scan(&unverified, &demanded); err != nil {
		return "", err
	}
	switch {
	case unverified:
		return "/activate", nil
	case demanded:
		return "/2fa/setup/force-initiate", nil
	}
	return "", nil
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
		if r.Method != http.MethodGet && r.Method != http.MethodHead && r.FormValue("_csrf_token") != s.csrf(u) {
			http.Error(w, "Invalid CSRF token", http.StatusForbidden)
			return
		}
		next(w, r, u, site)
	})
}

// askToSignIn redirects as RequireAccountPlug does: only a GET is returned to.
func (s *Server) askToSignIn(w http.ResponseWriter, r *http.Request) {
	target := "/login"
	var anybody bool
	if err := s.db.QueryRow(r.Context(), `select exists (select from users)`).Scan(&anybody); err == nil && !anybody {
		http.Redirect(w, r, "/register", http.StatusFound)
		return
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
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
