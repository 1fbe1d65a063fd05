package sender

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"time"

	"plausible-webhooks/config/target"
)

// Reacher finds out whether receivers can be reached, by the same rules and
// with the same guard as attempts. No request is made: it connects, shakes
// hands by TLS and hangs up.
type Reacher struct{ transport *transport }

// NewReacher takes what concerns connections from the options: Rules, Own,
// Proxy, Roots, Timeout. No database is needed.
func NewReacher(o Options) *Reacher {
	return &Reacher{transport: newTransport(o.filled(), nil)}
}

// ErrProxyOnly says that a proxy stands in between: it can be reached, and
// nobody but it knows whether the receiver can.
var ErrProxyOnly = errors.New("the proxy alone can tell")

// Reach connects once to where a stored URL points. The error is fit for
// people: what an attempt would log. Refused tells that nothing but another
// URL or another rule helps.
func (r *Reacher) Reach(ctx context.Context, raw string) (refused bool, err error) {
	u, failed := r.transport.parse(ctx, raw)
	if failed != nil {
		return true, errors.New(failed.problem)
	}
	timeout := r.transport.options.Timeout
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if proxy := r.transport.options.Proxy; proxy != nil {
		address := net.JoinHostPort(proxy.Hostname(), portOf(proxy.Port(), proxy.Scheme))
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return false, errors.New("the proxy of WEBHOOKS_PROXY: " + explain(err, false, timeout))
		}
		_ = conn.Close()
		return false, ErrProxyOnly
	}
	return r.connect(ctx, u, timeout)
}

func (r *Reacher) connect(ctx context.Context, u target.URL, timeout time.Duration) (refused bool, err error) {
	conn, err := r.transport.guard.dial(u.Scheme(), timeout)(ctx, "tcp", net.JoinHostPort(u.Host(), strconv.Itoa(int(u.Port()))))
	if err == nil && u.Scheme() == "https" {
		config := r.transport.tls.Clone()
		config.ServerName = u.Host()
		err = tls.Client(conn, config).HandshakeContext(ctx)
	}
	if conn != nil {
		_ = conn.Close() // Without close_notify: nothing was said.
	}
	switch {
	case err == nil:
		return false, nil
	case errors.Is(err, errNotAllowed):
		return true, errNotAllowed
	}
	return false, errors.New(clean([]byte(explain(err, false, timeout)), errorBytes))
}

// portOf is the port of a proxy, the scheme's own if it names none.
func portOf(port, scheme string) string {
	switch {
	case port != "":
		return port
	case scheme == "https":
		return "443"
	case scheme == "socks5":
		return "1080"
	}
	return "80"
}
