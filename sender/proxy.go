package sender

import (
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"
)

// tunnel is the connection to the proxy that an attempt has dialled. It is
// handed to the pool's functions in the context of the dial, which has the
// values of the request's.
type tunnel struct{ conn atomic.Pointer[net.Conn] }

type tunnelKey struct{}

// opened tells that the proxy has connected to the receiver: from here on the
// handshake and the request have their own limits.
func (t *tunnel) opened() {
	if conn := t.conn.Swap(nil); conn != nil {
		_ = (*conn).SetDeadline(time.Time{}) // A closed connection is found out by its next use.
	}
}

func tunnelOf(ctx context.Context) *tunnel {
	t, ok := ctx.Value(tunnelKey{}).(*tunnel)
	if !ok {
		return new(tunnel)
	}
	return t
}

// tunnels reports whether the proxy is to connect to the receiver before there
// is a request for it.
func tunnels(key poolKey, proxy *url.URL) bool {
	return key.scheme == "https" || proxy.Scheme == "socks5"
}

// watchTunnel gives a request's context a tunnel for its dial, and finds out
// when a SOCKS proxy has connected, which answers no CONNECT.
func watchTunnel(ctx context.Context, trace *httptrace.ClientTrace, key poolKey, proxy *url.URL) context.Context {
	way, got := new(tunnel), trace.GotConn
	switch {
	case proxy.Scheme != "socks5":
	case key.scheme == "https":
		trace.TLSHandshakeStart = way.opened
	default:
		trace.GotConn = func(info httptrace.GotConnInfo) {
			if !info.Reused { // Else the dial may go on.
				way.opened()
			}
			got(info)
		}
	}
	return context.WithValue(ctx, tunnelKey{}, way)
}

// useProxy makes a pool connect through the operator's proxy, and to nothing
// else: it alone connects to receivers.
//
// net/http waits without limit for a proxy to connect to a receiver, and has
// no use for the connection afterwards if the request has given up; the
// receiver decides how long that takes. So the tunnel has the timeout of an
// attempt.
func useProxy(pool *http.Transport, proxy *url.URL, key poolKey) {
	dialer := &net.Dialer{Timeout: key.timeout}
	pool.Proxy = http.ProxyURL(proxy)
	pool.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err == nil && tunnels(key, proxy) {
			_ = conn.SetDeadline(time.Now().Add(key.timeout))
			tunnelOf(ctx).conn.Store(&conn)
		}
		return conn, err
	}
	pool.OnProxyConnectResponse = func(ctx context.Context, _ *url.URL, _ *http.Request, _ *http.Response) error {
		tunnelOf(ctx).opened()
		return nil
	}
}
