package sender

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"plausible-webhooks/config/target"
)

const (
	// Parsed, many tiny headers take twenty times as much memory as they have
	// bytes; receivers whose headers never end hold it until the deadline.
	answerHeaderBytes = 16 << 10 // deploy/REFERENCE.md section 4.
	answerBodyBytes   = 64 << 10 // Likewise.

	// idleConnection is shorter than the keep-alive of common servers (five
	// seconds in Node.js): a connection that the receiver closes while we
	// write to it would cost an attempt.
	idleConnection = 3 * time.Second
)

// transport carries requests to receivers. Connections are pooled by scheme,
// host and port, so that one which was allowed for one target is never used
// for another, and by timeout. Nothing in the sender ever closes the pools'
// idle connections: the requests that failed would close those of others.
type transport struct {
	options Options
	guard   *guard
	tls     *tls.Config

	mu    sync.Mutex
	pools map[poolKey]*http.Transport
}

// poolKey tells pools apart. The guard must know the scheme, and net/http
// dials and shakes hands within limits of the pool instead of the request's: a
// connection that a request has given up would be waited for all the same. As
// webhooks have whole seconds up to half a minute, there are few.
type poolKey struct {
	scheme  string
	timeout time.Duration
}

func newTransport(o Options, lookup resolve) *transport {
	return &transport{
		options: o,
		guard:   newGuard(o, lookup),
		tls: &tls.Config{
			RootCAs: o.Roots, MinVersion: tls.VersionTLS12,
			ClientSessionCache: newSessions(),
		},
		pools: make(map[poolKey]*http.Transport),
	}
}

// pool returns the pool for a scheme and a timeout.
func (t *transport) pool(key poolKey) *http.Transport {
	t.mu.Lock()
	defer t.mu.Unlock()
	pool, ok := t.pools[key]
	if !ok {
		pool = t.newPool(key)
		t.pools[key] = pool
	}
	return pool
}

func (t *transport) newPool(key poolKey) *http.Transport {
	o := t.options
	pool := &http.Transport{
		DialContext:            t.guard.dial(key.scheme, key.timeout),
		TLSClientConfig:        t.tls,
		TLSHandshakeTimeout:    key.timeout,
		DisableCompression:     true, // What is logged is what was sent, and nothing can expand.
		MaxIdleConns:           2 * o.Concurrency,
		MaxIdleConnsPerHost:    o.Concurrency, // Many webhooks share the host of one chat service.
		IdleConnTimeout:        idleConnection,
		MaxResponseHeaderBytes: answerHeaderBytes,
		Protocols:              new(http.Protocols),
	}
	// One connection for each attempt in flight: no webhook shares a
	// stalled one with another.
	pool.Protocols.SetHTTP1(true)
	if o.Proxy != nil {
		useProxy(pool, o.Proxy, key)
	}
	return pool
}

// close ends idle connections, at the sender's end.
func (t *transport) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, pool := range t.pools {
		pool.CloseIdleConnections()
	}
}

// parse reads a stored URL. The outcome is that of an attempt at a URL which
// cannot be used.
func (t *transport) parse(ctx context.Context, raw string) (target.URL, *outcome) {
	read := target.ParseSaved
	proxied := t.options.Proxy != nil
	if proxied {
		read = target.Parse
	}
	u, err := read(raw, t.options.Rules)
	if err == nil && proxied {
		err = t.guard.checkLiteral(ctx, u)
	}
	if err == nil {
		return u, nil
	}
	problem := err.Error()
	var refusal *target.Refusal
	switch {
	case errors.As(err, &refusal) && refusal.Reason == target.BadAddress:
		problem = errNotAllowed.Error()
	case errors.As(err, &refusal) && refusal.Reason == target.BadHost:
		problem = errNotAllowed.Error() + ": " + problem
	}
	return target.URL{}, &outcome{problem: problem, hopeless: true}
}

// transmit makes one request and reads its answer, all of it within the
// timeout. Ctx is our own end, and that of the attempt's claim.
func (t *transport) transmit(ctx context.Context, req *http.Request, timeout time.Duration) outcome {
	began := time.Now()
	var connected atomic.Bool
	deadline, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	if t.options.Proxy != nil {
		deadline = watchTunnel(deadline, trace, poolKey{req.URL.Scheme, timeout}, t.options.Proxy)
	}
	deadline = httptrace.WithClientTrace(deadline, trace)
	var result outcome
	// RoundTrip instead of a client: it follows no redirect and wraps no
	// error in one that quotes the URL.
	answer, err := t.pool(poolKey{req.URL.Scheme, timeout}).RoundTrip(req.WithContext(deadline))
	if err != nil {
		result = broken(ctx, err, connected.Load(), timeout)
	} else {
		result = read(ctx, answer, timeout)
	}
	result.duration = time.Since(began)
	return result
}

// read takes the answer apart. After a 2xx, whatever is wrong with the body is
// noted and changes nothing.
func read(ctx context.Context, answer *http.Response, timeout time.Duration) outcome {
	result := outcome{status: answer.StatusCode, answered: true, retryAfter: answer.Header.Get("Retry-After")}
	var problems []string
	if !result.succeeded() {
		problems = append(problems, describe(answer.StatusCode))
	}
	if answer.StatusCode == http.StatusSwitchingProtocols {
		// The body would be the connection itself.
		_ = answer.Body.Close()
	} else {
		// Only the excerpt is kept, and one byte past the limit tells that
		// there is more.
		body, err := io.ReadAll(io.LimitReader(answer.Body, excerptBytes))
		if err == nil {
			var n int64
			n, err = io.Copy(io.Discard, io.LimitReader(answer.Body, answerBodyBytes+1-excerptBytes))
			if n+excerptBytes > answerBodyBytes && result.succeeded() {
				problems = append(problems, fmt.Sprintf("the answer's body is longer than %d KiB; the rest was not read", answerBodyBytes>>10))
			}
		}
		_ = answer.Body.Close()
		result.excerpt = clean(body, excerptBytes)
		if err != nil {
			problems = append(problems, bodyProblem(ctx, err, timeout))
		}
	}
	result.problem = clean([]byte(strings.Join(problems, "; ")), errorBytes)
	return result
}

func bodyProblem(ctx context.Context, err error, timeout time.Duration) string {
	switch {
	case ctx.Err() != nil:
		return "the answer's body was not read to its end: " + interruptedBy(ctx)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("the answer's body did not end within %s", timeout)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the answer's body was cut short"
	default:
		return "the answer's body could not be read"
	}
}

// broken tells why there was no answer.
func broken(ctx context.Context, err error, connected bool, timeout time.Duration) outcome {
	if ctx.Err() != nil {
		return interruption(ctx, "during this attempt")
	}
	if errors.Is(err, errNotAllowed) {
		return outcome{hopeless: true, problem: errNotAllowed.Error()}
	}
	return outcome{kind: kindOfError(err, connected), problem: clean([]byte(explain(err, connected, timeout)), errorBytes)}
}

func explain(err error, connected bool, timeout time.Duration) string {
	var (
		network     net.Error
		dns         *net.DNSError
		certificate *tls.CertificateVerificationError
		plain       tls.RecordHeaderError
		operation   *net.OpError
		unknown     x509.UnknownAuthorityError
	)
	switch {
	case errors.As(err, &dns) && !dns.IsTimeout:
		if dns.IsNotFound {
			return "the host name does not resolve"
		}
		return "the host name could not be resolved"
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout():
		if connected {
			return fmt.Sprintf("no answer within %s", timeout)
		}
		return fmt.Sprintf("no connection within %s", timeout)
	case errors.As(err, &unknown):
		return "the certificate is signed by an unknown authority: have the operator set WEBHOOKS_CA_FILE if it is a private one"
	case errors.As(err, &certificate):
		return certificate.Error()
	case errors.As(err, &plain):
		return "the receiver does not speak TLS on this port"
	case errors.As(err, &operation) && operation.Op == "remote error": // An alert; crypto/tls has no exported type for it.
		return "the receiver refused the TLS connection: " + operation.Err.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "the network of the host cannot be reached"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the receiver reset the connection"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the receiver closed the connection without an answer"
	}
	if operation != nil {
		// The whole error tells addresses: the sidecar's own, and what the
		// name resolved to.
		err = operation.Err
	}
	if connected {
		return "the answer is not usable HTTP: " + err.Error()
	}
	return "no connection: " + err.Error()
}
