package plausible

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/bcrypt"

	"plausible-webhooks/deploy/devstack/stack"
)

const cookieName = "_plausible_key" // Plausible CE's name of the session cookie.

type user struct {
	id    int64
	email string
	token []byte
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // Never fails: crypto/rand aborts the program instead.
	return b
}

// signedIn returns the user of the request's cookie, checked against
// user_sessions each time as Plausible does.
func (s *Server) signedIn(r *http.Request) (user, bool) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return user{}, false
	}
	encoded, signature, ok := strings.Cut(cookie.Value, ".")
	token, err := base64.RawURLEncoding.DecodeString(encoded)
	if !ok || err != nil || !hmac.Equal([]byte(signature), []byte(s.sign(token))) {
		return user{}, false
	}
	u := user{token: token}
	err = s.db.QueryRow(r.Context(),
		`select u.id, u.email from user_sessions s join users u on u.id = s.user_id
		 where s.token = $1 and s.timeout_at > now() at time zone 'utc'`, token).Scan(&u.id, &u.email)
	return u, err == nil
}

func (s *Server) sign(message []byte) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write(message)
	return hex.EncodeToString(mac.Sum(nil))
}

// csrf is derived from the session, so that it needs no storage.
func (s *Server) csrf(u user) string { return s.sign(append([]byte("csrf"), u.token...)) }

func (s *Server) loginForm(w http.ResponseWriter, r *http.Request) {
	s.render(w, http.StatusOK, "login", page{Title: "Sign in", ReturnTo: r.URL.Query().Get("return_to")})
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	id, err := s.authenticate(r.Context(), r.FormValue("email"), r.FormValue("password"))
	if err != nil {
		s.render(w, http.StatusOK, "login", page{Title: "Sign in", ReturnTo: r.FormValue("return_to"), Error: "Wrong email or password. Please try again."})
		return
	}
	token := randomBytes(32)
	if _, err := stack.AddSession(r.Context(), s.db, id, token); err != nil {
		s.fail(w, err)
		return
	}
	s.refresh(w, user{token: token})
	http.SetCookie(w, &http.Cookie{Name: "logged_in", Value: "true", Path: "/"})
	http.Redirect(w, r, returnPath(r.FormValue("return_to")), http.StatusFound)
}

// refresh sends the session's cookie, as Plug does whenever the session was
// written to: so it is with every page that has a form.
func (s *Server) refresh(w http.ResponseWriter, u user) {
	value := base64.RawURLEncoding.EncodeToString(u.token) + "." + s.sign(u.token)
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: 5 * 365 * 24 * 3600})
}

// returnPath accepts only a path on this host.
func returnPath(raw string) string {
	if u, err := url.Parse(raw); err == nil && u.Host == "" && strings.HasPrefix(raw, "/") && !strings.HasPrefix(raw, "//") {
		return raw
	}
	return "/sites"
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	if u, ok := s.signedIn(r); ok {
		if _, err := s.db.Exec(r.Context(), `delete from user_sessions where token = $1`, u.token); err != nil {
			s.fail(w, err)
			return
		}
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1})
	http.Redirect(w, r, "/login", http.StatusFound)
}

func (s *Server) authenticate(ctx context.Context, email, password string) (int64, error) {
	var id int64
	var hash string
	if err := s.db.QueryRow(ctx, `select id, password_hash from users where email = $1`, email).Scan(&id, &hash); err != nil {
		return 0, err
	}
	return id, bcrypt.CompareHashAndPassword([]byte(hash), []byte(password))
}

// hashPassword returns what users.password_hash holds for a password. The
// lowest cost will do: the accounts are a developer's own.
func hashPassword(password string) string {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		panic(err) // Only for passwords over 72 bytes.
	}
	return string(hash)
}

var errNoAccess = errors.New("site not found or not accessible")

// role returns the user's role on the site of exactly that domain:
// team_memberships.role, or guest_memberships.role for guests
// (lib/plausible/teams/memberships.ex); before v3.0 site_memberships.
func (s *Server) role(ctx context.Context, u user, domain string) (siteRow, string, error) {
	var site siteRow
	err := s.db.QueryRow(ctx, `select id, domain, public from sites where domain = $1`, domain).Scan(&site.ID, &site.Domain, &site.Public)
	if errors.Is(err, pgx.ErrNoRows) {
		return siteRow{}, "", errNoAccess
	}
	if err != nil {
		return siteRow{}, "", err
	}
	teams, err := hasTeams(ctx, s.db)
	if err != nil {
		return siteRow{}, "", err
	}
	query := `select role::text from site_memberships where site_id = $1 and user_id = $2`
	if teams {
		query = `select case when m.role = 'guest' then g.role else m.role end
			from sites s join team_memberships m on m.team_id = s.team_id
			left join guest_memberships g on g.team_membership_id = m.id and g.site_id = s.id
			where s.id = $1 and m.user_id = $2 and (m.role <> 'guest' or g.role is not null)`
	}
	var role string
	err = s.db.QueryRow(ctx, query, site.ID, u.id).Scan(&role)
	if errors.Is(err, pgx.ErrNoRows) {
		return site, "", errNoAccess
	}
	return site, role, err
}
