package env

import (
	"net"
	"net/url"
	"strconv"
	"strings"
)

// URLAs returns DATABASE_URL for another role with a password of its own,
// which it shows: it is for the person who makes the role.
func (d Database) URLAs(role, password string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(role, password), Path: "/" + d.Name}
	query := url.Values{}
	for name, value := range d.params {
		query.Set(name, value)
	}
	for _, host := range d.Hosts {
		if strings.HasPrefix(host, "/") {
			query.Set("socket_dir", host)
		} else {
			u.Host = net.JoinHostPort(host, strconv.Itoa(int(d.Port)))
		}
	}
	if d.SSLMode != "disable" {
		query.Set("sslmode", d.SSLMode)
	}
	u.RawQuery = query.Encode()
	return u.String()
}
