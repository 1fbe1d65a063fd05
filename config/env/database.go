package env

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/target"
)

const (
	defaultPostgresPort = 5432

	// ApplicationName is how our connections appear in pg_stat_activity, unless
	// DATABASE_URL says otherwise.
	ApplicationName = "plausible-webhooks"

	// A session of ours whose machine has vanished holds its locks, that of the
	// lead among them, until the server notices; by its defaults, after two
	// hours. These settings make it ask after 3 s of silence and give up 3 s
	// later, and give up data that nobody takes as soon. A socket ignores them.
	keepalivesIdle     = "3"
	keepalivesInterval = "1"
	keepalivesCount    = "3"
	userTimeout        = "6s"

	// connectTimeout, in seconds, is for each host that is tried.
	connectTimeout = "10"
)

// Database is Plausible's PostgreSQL as DATABASE_URL and its companions name
// it.
type Database struct {
	// Hosts are tried in this order. One that begins with a slash is the
	// directory of a Unix socket.
	Hosts    []string
	Port     uint16
	Name     string
	User     string // Empty: the driver's default, PGUSER or the system's user.
	Password secret.Text

	// SSLMode is libpq's; Plausible's default is "disable" (config/runtime.exs).
	SSLMode string

	// params are the other parameters of libpq that are passed on.
	params map[string]string
}

var (
	postgresSchemes = []string{"postgres", "postgresql", "ecto"}
	sslModes        = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}

	// passedOn are parameters that mean the same to Plausible, to libpq and to
	// us. All others are Ecto's (pool_size, timeout, queue_target, …) or
	// unknown, and the driver would send those to the server as settings.
	passedOn = []string{"sslrootcert", "sslcert", "sslkey", "sslsni", "application_name", "connect_timeout"}
)

// parseDatabase reads DATABASE_URL as Plausible does. A socket directory may
// stand as %2F… in place of the host, as ?socket_dir= or ?host=, or in
// DATABASE_SOCKET_DIR. Releases of Plausible differ in whether such a directory
// or the URL's host wins, so that the socket is tried first and then the host,
// where the operator names both. The CA file forces a verified connection.
func parseDatabase(raw string, named bool, socketDir, caFile string) (Database, error) {
	u, err := parseServerURL(strings.TrimSpace(raw))
	if err != nil {
		return Database{}, err
	}
	if !slices.Contains(postgresSchemes, u.scheme) {
		return Database{}, errors.New("a URL such as postgres://user:password@host:5432/plausible_db")
	}
	d := Database{Name: u.database, User: u.user, Password: u.password, Port: u.port, params: make(map[string]string)}
	if d.Name == "" {
		return Database{}, errDatabaseName
	}
	if d.User == "" {
		d.User = u.first("user", "username")
	}
	if d.Password.Empty() {
		d.Password = secret.New(u.first("password"))
	}
	if d.Port == 0 {
		d.Port = defaultPostgresPort
		if port, ok := target.ParsePort(u.first("port")); ok {
			d.Port = port
		}
	}
	d.Hosts = hosts(u, named, socketDir)
	if len(d.Hosts) == 0 {
		return Database{}, errors.New("a host, or the directory of a socket as in postgres:///plausible_db?host=/run/postgresql")
	}
	if slices.ContainsFunc(d.Hosts, func(host string) bool { return strings.Contains(host, ",") }) {
		return Database{}, errServerHost
	}
	for _, name := range passedOn {
		if value := u.first(name); value != "" {
			d.params[name] = value
		}
	}
	if timeout := d.params["connect_timeout"]; strings.Trim(timeout, "0123456789") != "" {
		return Database{}, errors.New("connect_timeout in whole seconds")
	}
	return d, d.setSSL(u, caFile)
}

func hosts(u serverURL, named bool, socketDir string) []string {
	var found []string
	add := func(host string) {
		if host != "" && !slices.Contains(found, host) {
			found = append(found, host)
		}
	}
	add(u.first("socket_dir"))
	if host := u.first("host", "hostname"); u.host == "" || strings.HasPrefix(host, "/") {
		add(host)
	}
	if strings.HasPrefix(u.host, "/") {
		add(u.host)
	}
	add(socketDir)
	if named || socketDir == "" {
		add(u.host)
	}
	return found
}

func (d *Database) setSSL(u serverURL, caFile string) error {
	d.SSLMode = "disable"
	if u.first("ssl") == "true" {
		d.SSLMode = "require"
	}
	if mode := u.first("sslmode"); mode != "" {
		if !slices.Contains(sslModes, mode) {
			return errors.New("sslmode to be " + choice(sslModes))
		}
		d.SSLMode = mode
	}
	if caFile != "" {
		d.SSLMode = "verify-full"
		d.params["sslrootcert"] = caFile
	}
	return nil
}

// ConnConfig returns a fresh configuration of the driver, which the caller may
// change: a pool takes it as its ConnConfig, a replication connection adds
// RuntimeParams["replication"]. It reads the certificates that are named; the
// error shows no password.
func (d Database) ConnConfig() (*pgx.ConnConfig, error) {
	params := map[string]string{
		"host": strings.Join(d.Hosts, ","), "port": strconv.Itoa(int(d.Port)), "dbname": d.Name, "sslmode": d.SSLMode,
		"application_name": ApplicationName, "connect_timeout": connectTimeout,
	}
	if d.User != "" {
		params["user"] = d.User
	}
	for name, value := range d.params {
		params[name] = value
	}
	var text strings.Builder
	for name, value := range params {
		fmt.Fprintf(&text, "%s='%s' ", name, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value))
	}
	config, err := pgx.ParseConfig(text.String())
	if err != nil {
		return nil, fmt.Errorf("prepare the connection of DATABASE_URL: %w", err)
	}
	for name, value := range map[string]string{
		"tcp_keepalives_idle": keepalivesIdle, "tcp_keepalives_interval": keepalivesInterval, "tcp_keepalives_count": keepalivesCount,
		"tcp_user_timeout": userTimeout,
	} {
		config.RuntimeParams[name] = value
	}
	// The password stays out of the text, which errors of the driver quote.
	if !d.Password.Empty() {
		config.Password = d.Password.Reveal()
	}
	return config, nil
}

// OwnServers are the hosts of the database, which no webhook may reach. Sockets
// are out of a webhook's reach anyway.
func (d Database) OwnServers() []target.OwnServer {
	var own []target.OwnServer
	for _, host := range d.Hosts {
		if !strings.HasPrefix(host, "/") {
			own = append(own, target.OwnServer{Host: host, Ports: []uint16{d.Port}, WholeHost: true})
		}
	}
	return own
}

// String shows where the database is, without user and password.
func (d Database) String() string {
	return fmt.Sprintf("postgres://%s:%d/%s", strings.Join(d.Hosts, ","), d.Port, d.Name)
}
