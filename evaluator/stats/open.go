package stats

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Options say how ClickHouse is reached: CLICKHOUSE_DATABASE_URL taken apart.
type Options struct {
	Scheme   string // "http", "https" or "clickhouse" (the native protocol).
	Addr     string // Host and port.
	Database string
	User     string // Empty: "default".
	Password string
	Secure   bool   // TLS; "https" implies it.
	Roots    []byte // PEM, trusted for TLS; empty: the system's.

	// MaxThreads is how many threads of the server one query may use; zero: 2.
	MaxThreads int
}

const (
	// queryLimit ends a query on the server. Even a month of rows in a single
	// part is read in about 2.6 s per 1,000 million rows.
	queryLimit = 20 * time.Second
	// What one query may read, answer and use. A month of 1,000 million rows in
	// one part still passes, and half of the memory spills to disk.
	mostRowsRead   = 4_000_000_000
	mostResultRows = 10_000_000
	mostMemory     = 1 << 30
	// answerLimit ends the waiting on our side, after the server had its
	// chance to say why.
	answerLimit = queryLimit + 5*time.Second
	// dialLimit bounds connecting and the driver's first question.
	dialLimit = 5 * time.Second
	// readonlyDialLimit is that for a user with readonly = 1: the driver makes
	// max_execution_time of any deadline over 1 s, also of this one, and such a
	// user could not even connect (code 164).
	readonlyDialLimit = time.Second
)

// Client asks the questions of this package. It is safe for several
// goroutines.
type Client struct {
	options clickhouse.Options
	wanted  clickhouse.Settings
	queries atomic.Int64
	newest  atomic.Int64 // Unix seconds.

	mu      sync.Mutex
	conn    driver.Conn
	allowed clickhouse.Settings // Nil: not tried yet.
}

// Open prepares a client. It does not connect: ClickHouse may be away when the
// sidecar starts.
func Open(o Options) (*Client, error) {
	options := clickhouse.Options{
		Addr:            []string{o.Addr},
		Auth:            clickhouse.Auth{Database: o.Database, Username: o.User, Password: o.Password},
		DialTimeout:     dialLimit,
		ReadTimeout:     answerLimit,
		MaxOpenConns:    2,
		MaxIdleConns:    2,
		ConnMaxLifetime: 10 * time.Minute,
		TransportFunc:   direct,
	}
	secure := o.Secure
	switch o.Scheme {
	case "http":
		options.Protocol = clickhouse.HTTP
	case "https":
		options.Protocol, secure = clickhouse.HTTP, true
	case "clickhouse":
		options.Protocol = clickhouse.Native
	default:
		return nil, fmt.Errorf("open ClickHouse at %s: unknown scheme %q: use http, https or clickhouse", o.Addr, o.Scheme)
	}
	if secure {
		roots, err := trusted(o.Roots)
		if err != nil {
			return nil, err
		}
		options.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	conn, err := clickhouse.Open(&options)
	if err != nil {
		return nil, fmt.Errorf("open ClickHouse at %s: %w", o.Addr, withoutURL(err))
	}
	threads := o.MaxThreads
	if threads == 0 {
		threads = 2
	}
	return &Client{options: options, conn: conn, wanted: clickhouse.Settings{
		"max_execution_time": int(queryLimit / time.Second),
		"max_threads":        threads,
		"log_queries":        0,
		// Without it a server works on after we have hung up.
		"cancel_http_readonly_queries_on_client_close": 1,
		// A guest's share of a small server. Catching up a day may need more
		// than it; slices of a day become smaller then.
		"max_rows_to_read":                   mostRowsRead,
		"max_result_rows":                    mostResultRows,
		"max_memory_usage":                   mostMemory,
		"max_bytes_before_external_group_by": mostMemory / 2,
	}}, nil
}

// direct takes out the proxy that the driver would take from HTTP_PROXY: those
// variables are ignored everywhere (deploy/REFERENCE.md section 1), and
// ClickHouse is next door.
func direct(transport *http.Transport) (http.RoundTripper, error) {
	transport.Proxy = nil
	return transport, nil
}

// Close ends all connections.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn.Close()
}

// Queries is the number of queries sent since Open, probes of settings left
// out.
func (c *Client) Queries() int64 { return c.queries.Load() }

// Newest is the newest timestamp of an event that the answers about visitors
// and completed goals have held since Open, in Unix seconds; zero: none. It
// costs no question of its own.
func (c *Client) Newest() int64 { return c.newest.Load() }

func (c *Client) seen(at int64) {
	for {
		newest := c.newest.Load()
		if at <= newest || c.newest.CompareAndSwap(newest, at) {
			return
		}
	}
}

func trusted(pem []byte) (*x509.CertPool, error) {
	if len(pem) == 0 {
		return nil, nil
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("read roots for ClickHouse (CLICKHOUSE_CACERTFILE): the file holds no PEM certificate")
	}
	return roots, nil
}

// Codes of ClickHouse for a setting that this user may not change or that this
// version does not have.
const (
	codeUnknownSetting = 115
	codeReadonly       = 164
	codeConstraint     = 452
)

// Codes of what is not there, or not for this user.
const (
	codeUnknownTable    = 60
	codeUnknownDatabase = 81
	codeAccessDenied    = 497
)

func hasCode(err error, codes ...int32) bool {
	e, ok := errors.AsType[*clickhouse.Exception](err)
	return ok && slices.Contains(codes, e.Code)
}

func refusesSetting(err error) bool {
	return hasCode(err, codeUnknownSetting, codeReadonly, codeConstraint)
}

// ready returns the connections and the settings that this user may set. The
// settings are tried one by one the first time: a user with readonly = 1 may
// set nothing, a profile may pin single ones. A bound is only ever tightened.
func (c *Client) ready(ctx context.Context) (driver.Conn, clickhouse.Settings, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.allowed != nil {
		return c.conn, c.allowed, nil
	}
	err := c.probe(ctx, nil)
	if refusesSetting(err) && c.options.DialTimeout != readonlyDialLimit {
		if err = c.reopen(readonlyDialLimit); err == nil {
			err = c.probe(ctx, nil)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	stricter, err := c.stricter(ctx)
	if err != nil {
		return nil, nil, err
	}
	allowed := clickhouse.Settings{}
	for name, value := range c.wanted {
		if stricter[name] {
			continue
		}
		err := c.probe(ctx, clickhouse.Settings{name: value})
		if refusesSetting(err) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		allowed[name] = value
	}
	c.allowed = allowed
	return c.conn, allowed, nil
}

// stricter names the settings that the user's profile already bounds more
// tightly than we would: Plausible CE's holds queries to one thread. Of a user
// who may not read the profile, none.
func (c *Client) stricter(ctx context.Context) (map[string]bool, error) {
	found := map[string]bool{}
	err := run(ctx, c.conn, "SELECT name, value FROM system.settings WHERE name IN ("+texts(slices.Sorted(maps.Keys(c.wanted)))+")", func(rows driver.Rows) error {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return err
		}
		// Zero is no bound; "auto(2)" is what the machine has.
		theirs, err := strconv.ParseInt(value, 10, 64)
		if ours, bounds := c.wanted[name].(int); err == nil && bounds && theirs > 0 && theirs < int64(ours) {
			found[name] = true
		}
		return nil
	})
	if hasCode(err, codeAccessDenied) {
		return nil, nil
	}
	return found, err
}

func (c *Client) reopen(dial time.Duration) error {
	options := c.options
	options.DialTimeout = dial
	conn, err := clickhouse.Open(&options)
	if err != nil {
		return err
	}
	old := c.conn
	c.options, c.conn = options, conn
	return old.Close()
}

// forgetSettings lets them be tried again: the user's profile has changed, or
// another server answers.
func (c *Client) forgetSettings() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.allowed = nil
}

func (c *Client) probe(ctx context.Context, settings clickhouse.Settings) error {
	rows, err := c.conn.Query(clickhouse.Context(ctx, clickhouse.WithSettings(settings)), "SELECT 1")
	if err != nil {
		return err
	}
	for rows.Next() {
	}
	return errors.Join(rows.Err(), rows.Close())
}
