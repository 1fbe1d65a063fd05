package sender

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

// Kind is what came of an attempt, for metrics: one of few, and never a text of
// a receiver.
type Kind string

// The kinds. An answer is told apart by its status, the rest by where it ended.
const (
	KindDelivered   Kind = "delivered"
	KindRedirect    Kind = "3xx"
	KindClientError Kind = "4xx" // But for the next two.
	KindGone        Kind = "410"
	KindThrottled   Kind = "429"
	KindServerError Kind = "5xx"
	KindProtocol    Kind = "protocol" // An answer that is not usable HTTP, or of a status that no answer has.
	KindTimeout     Kind = "timeout"
	KindDNS         Kind = "dns"
	KindTLS         Kind = "tls"
	KindRefused     Kind = "refused" // By the receiver's machine: nothing listens.
	KindConnect     Kind = "connect" // Any other reason for which there was no connection.
	KindClosed      Kind = "closed"  // The connection ended without an answer.
	KindBlocked     Kind = "blocked" // By us: the address is not allowed.
	KindInvalid     Kind = "invalid" // The webhook's URL, headers or secret cannot be used.
	KindInterrupted Kind = "interrupted"
)

// Kinds returns every kind.
func Kinds() []Kind {
	return []Kind{
		KindDelivered, KindRedirect, KindClientError, KindGone, KindThrottled, KindServerError, KindProtocol, KindTimeout,
		KindDNS, KindTLS, KindRefused, KindConnect, KindClosed, KindBlocked, KindInvalid, KindInterrupted,
	}
}

// Attempted is one attempt, for metrics.
type Attempted struct {
	Kind Kind
	Took time.Duration // From dial to the last byte read.

	// Age is how long ago the delivery was written, when it arrived in its first
	// round. Zero: it did not, or was not sent for the first time.
	Age time.Duration
}

// attempted tells of an attempt.
func (s *Sender) attempted(d *delivery, o outcome) {
	if s.options.Attempted == nil {
		return
	}
	a := Attempted{Kind: o.kindOf(), Took: o.duration}
	// In the first round every attempt so far is one of the round; attempts that
	// were cut are not counted in it, and those say little of the receiver.
	if o.succeeded() && d.failedRounds == 0 && d.attempts == d.roundAttempts+1 {
		a.Age = d.age + time.Since(d.claimed)
	}
	s.options.Attempted(a)
}

// kindOf tells what came of an attempt.
func (o outcome) kindOf() Kind {
	switch {
	case o.cut:
		return KindInterrupted
	case o.answered:
		return kindOfStatus(o.status)
	case o.hopeless && o.problem == errNotAllowed.Error():
		return KindBlocked
	case o.kind != "":
		return o.kind
	default:
		return KindInvalid
	}
}

func kindOfStatus(status int) Kind {
	switch {
	case status == http.StatusGone:
		return KindGone
	case status == http.StatusTooManyRequests:
		return KindThrottled
	case status >= 200 && status <= 299:
		return KindDelivered
	case status >= 300 && status <= 399:
		return KindRedirect
	case status >= 400 && status <= 499:
		return KindClientError
	case status >= 500 && status <= 599:
		return KindServerError
	default:
		return KindProtocol
	}
}

// kindOfError tells why there was no answer, in the order of explain.
func kindOfError(err error, connected bool) Kind {
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
		return KindDNS
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout():
		return KindTimeout
	case errors.As(err, &unknown), errors.As(err, &certificate), errors.As(err, &plain),
		errors.As(err, &operation) && operation.Op == "remote error":
		return KindTLS
	case errors.Is(err, syscall.ECONNREFUSED):
		return KindRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return KindClosed
	case connected:
		return KindProtocol
	default:
		return KindConnect
	}
}
