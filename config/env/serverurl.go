package env

import (
	"errors"
	"net/url"
	"strings"

	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/target"
)

// serverURL is the URL of a database, taken apart as Elixir's URI.parse and
// Ecto.Repo.Supervisor.parse_url do. net/url refuses the %2F of a socket's
// directory and is stricter about passwords.
type serverURL struct {
	scheme   string
	user     string
	password secret.Text
	host     string // Decoded, without brackets; empty: none.
	port     uint16 // Zero: none.
	database string // Empty: none.
	query    url.Values
}

// Errors are the end of "NAME: got …, want …".
var (
	errDatabaseName = errors.New("one database name after the host, such as …/plausible_db")
	errEncoding     = errors.New("special characters of user name, password and database percent-encoded (@ as %40, / as %2F, # as %23)")
	errServerPort   = errors.New("a port from 1 to 65535; special characters of the password percent-encoded (: as %3A, / as %2F)")
	errServerHost   = errors.New("one host")
)

func parseServerURL(raw string) (serverURL, error) {
	var u serverURL
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return u, errors.New("a URL, such as scheme://user:password@host:port/database")
	}
	u.scheme = strings.ToLower(scheme)
	rest, _, _ = strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	// What does not decode is dropped, as are parameters that nobody knows.
	u.query, _ = url.ParseQuery(query)
	authority, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		user, password, _ := strings.Cut(authority[:at], ":")
		authority = authority[at+1:]
		plain, err := url.PathUnescape(password)
		if u.user, ok = unescape(user); !ok || err != nil {
			return u, errEncoding
		}
		u.password = secret.New(plain)
	}
	if err := u.splitHost(authority); err != nil {
		return u, err
	}
	if u.database, ok = unescape(path); !ok {
		return u, errEncoding
	}
	if strings.Contains(path, "/") {
		return u, errDatabaseName
	}
	return u, nil
}

func (u *serverURL) splitHost(authority string) error {
	host, ok := authority, true
	if colon := strings.LastIndexByte(authority, ':'); colon > strings.LastIndexByte(authority, ']') {
		host = authority[:colon]
		if text := authority[colon+1:]; text != "" {
			if u.port, ok = target.ParsePort(text); !ok {
				return errServerPort
			}
		}
	}
	if u.host, ok = unescape(host); !ok {
		return errEncoding
	}
	if bare, ok := strings.CutPrefix(u.host, "["); ok {
		if u.host, ok = strings.CutSuffix(bare, "]"); !ok {
			return errServerHost
		}
		return nil
	}
	// A comma would be a list of hosts to the drivers, which Plausible has not.
	if strings.ContainsAny(u.host, ",[]: ") {
		return errServerHost
	}
	return nil
}

func unescape(text string) (string, bool) {
	plain, err := url.PathUnescape(text)
	return plain, err == nil
}

// first is the first non-empty value among the names of a parameter.
func (u serverURL) first(names ...string) string {
	for _, name := range names {
		if value := u.query.Get(name); value != "" {
			return value
		}
	}
	return ""
}

// shownURL is scheme and host of a value that may hold a password anywhere
// else, or a description where even those are in doubt.
func shownURL(raw string) string {
	scheme, rest, ok := strings.Cut(strings.TrimSpace(raw), "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host := rest[:end]
	host = host[strings.LastIndexByte(host, '@')+1:]
	// A password that is not encoded may have been cut in two: what follows the
	// first slash may then hold the real host, and what precedes it the password.
	suspect := strings.Contains(rest[end:], "@") || host == ""
	// So may "user:password" without a host.
	if colon := strings.LastIndexByte(host, ':'); colon > strings.LastIndexByte(host, ']') {
		suspect = suspect || strings.Trim(host[colon+1:], "0123456789") != ""
	}
	if !ok || suspect || strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-") != "" {
		return "a value that is not shown"
	}
	return "a URL of " + scheme + "://" + host
}
