package env

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/target"
)

// ClickHouse is Plausible's ClickHouse as CLICKHOUSE_DATABASE_URL and its
// companion name it.
type ClickHouse struct {
	Scheme   string // "http", "https" or "clickhouse" (the native protocol).
	Host     string // Without brackets.
	Port     uint16
	Database string
	User     string // Empty: the server's default user.
	Password secret.Text

	// Secure asks for TLS: scheme https, or clickhouse with ?secure=true.
	Secure bool

	// Roots is the content of CLICKHOUSE_CACERTFILE, PEM; nil: the system's.
	Roots []byte

	// Options are the parameters of the URL as they stand. Those of Ecto mean
	// nothing to another client.
	Options url.Values
}

// clickHousePorts are the usual ports of a ClickHouse server, each of which
// gives access to the data.
var clickHousePorts = []uint16{8123, 8443, 9000, 9440}

func parseClickHouse(raw string) (ClickHouse, error) {
	u, err := parseServerURL(strings.TrimSpace(raw))
	if err != nil {
		return ClickHouse{}, err
	}
	c := ClickHouse{Scheme: u.scheme, Host: u.host, Port: u.port, Database: u.database, User: u.user, Password: u.password, Options: u.query}
	if !slices.Contains([]string{"http", "https", "clickhouse"}, c.Scheme) {
		return ClickHouse{}, errors.New("a URL such as http://plausible_events_db:8123/plausible_events_db (http, https or clickhouse)")
	}
	if c.Host == "" || strings.HasPrefix(c.Host, "/") {
		return ClickHouse{}, errServerHost
	}
	if c.Database == "" {
		c.Database = u.first("database")
	}
	if c.Database == "" {
		return ClickHouse{}, errors.New("one database name after the host, such as …/plausible_events_db")
	}
	if c.User == "" {
		c.User = u.first("username", "user")
	}
	if c.Password.Empty() {
		c.Password = secret.New(u.first("password"))
	}
	// The parameters are for whoever builds the client, and may be printed.
	c.Options.Del("password")
	c.Secure = c.Scheme == "https" || c.Scheme == "clickhouse" && u.first("secure") == "true"
	if c.Port == 0 {
		c.Port = c.defaultPort()
	}
	return c, nil
}

// defaultPort is where Plausible connects without a port: Elixir's URI.parse
// fills in the scheme's own. The native protocol is not Plausible's; its ports
// are ClickHouse's.
func (c ClickHouse) defaultPort() uint16 {
	switch {
	case c.Scheme == "http":
		return 80
	case c.Scheme == "https":
		return 443
	case c.Secure:
		return 9440
	default:
		return 9000
	}
}

// Address is host:port.
func (c ClickHouse) Address() string {
	return net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
}

// OwnServer is the server as one that no webhook may reach.
func (c ClickHouse) OwnServer() target.OwnServer {
	ports := clickHousePorts
	if !slices.Contains(ports, c.Port) {
		ports = append([]uint16{c.Port}, ports...)
	}
	return target.OwnServer{Host: c.Host, Ports: ports, WholeHost: true}
}

// String shows where the server is, without user and password.
func (c ClickHouse) String() string {
	return fmt.Sprintf("%s://%s/%s", c.Scheme, c.Address(), c.Database)
}
