package sender

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5/pgxpool"

	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/target"
)

// Options are what a Sender depends on. DB and Rules must be set; start from
// Defaults for the numbers (deploy/REFERENCE.md section 1).
type Options struct {
	DB *pgxpool.Pool // Migrated; a handful of connections is enough, besides one to listen.

	Keys  secret.Keyring     // Opens and seals webhooks' secrets; may be empty.
	Rules target.Rules       // Where webhooks may point.
	Own   []target.OwnServer // Servers of the installation, refused whatever Rules allow.
	Proxy *url.URL           // Egress proxy; nil: none. HTTP_PROXY and the like are ignored.
	Roots *x509.CertPool     // Trusted for receivers; nil: the system's. See Roots.

	Retries      int           // After a round's first attempt; at least 0.
	RetryWaitMin time.Duration // Before the first retry; each wait is twice the one before,
	RetryWaitMax time.Duration // up to this.
	Redelivery   []time.Duration
	DisableAfter time.Duration // A webhook to which nothing succeeds is disabled after this; 0: never.
	Retention    time.Duration // Finished deliveries are deleted after this.
	Timeout      time.Duration // Of one attempt, from connecting to the last byte read.

	Concurrency           int // Attempts in flight, in all; at least 1.
	ConcurrencyPerWebhook int // Attempts in flight to one webhook; at least 1.

	BaseURL string       // Of Plausible, for links in what is told of a disabled webhook.
	Version string       // For the User-Agent.
	Logger  hclog.Logger // Nil: nothing is logged.

	// Attempted is told of each attempt, for metrics; it must not block. Nil:
	// nobody counts.
	Attempted func(Attempted)

	// PollInterval is how often the queue is looked at without being woken: for
	// rows whose time has come, and where the database's notices do not arrive.
	PollInterval time.Duration

	// ChoresAfter is how long after the start of Run that is first done which
	// needs no haste and looks at every webhook: cancelling what will not be
	// sent, encrypting plain secrets, looking for webhooks that fail, deleting
	// old deliveries. Zero, also by default: at once.
	ChoresAfter time.Duration

	Random io.Reader        // For new secrets; nil: crypto/rand.
	Now    func() time.Time // For the webhook-timestamp and for a Retry-After that is a date; nil: time.Now.
}

// Defaults returns the numbers of deploy/REFERENCE.md section 1.
func Defaults() Options {
	return Options{
		Rules:                 target.Rules{AllowedPorts: target.DefaultPorts()},
		Retries:               3,
		RetryWaitMin:          time.Second,
		RetryWaitMax:          4 * time.Second,
		DisableAfter:          120 * time.Hour,
		Retention:             720 * time.Hour,
		Timeout:               5 * time.Second,
		Concurrency:           256,
		ConcurrencyPerWebhook: 4,
		Version:               "dev",
		PollInterval:          500 * time.Millisecond,
	}
}

// filled replaces values that make no sense by the default ones.
func (o Options) filled() Options {
	d := Defaults()
	o.Retries = max(o.Retries, 0)
	o.RetryWaitMin = positive(o.RetryWaitMin, d.RetryWaitMin)
	o.RetryWaitMax = max(positive(o.RetryWaitMax, d.RetryWaitMax), o.RetryWaitMin)
	o.DisableAfter = max(o.DisableAfter, 0)
	o.Retention = positive(o.Retention, d.Retention)
	o.Timeout = positive(o.Timeout, d.Timeout)
	o.Concurrency = positive(o.Concurrency, d.Concurrency)
	o.ConcurrencyPerWebhook = min(positive(o.ConcurrencyPerWebhook, d.ConcurrencyPerWebhook), o.Concurrency)
	o.PollInterval = positive(o.PollInterval, d.PollInterval)
	if o.Version == "" {
		o.Version = d.Version
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func positive[T int | time.Duration](value, otherwise T) T {
	if value > 0 {
		return value
	}
	return otherwise
}

// Roots returns the system's roots together with those of a PEM file
// (WEBHOOKS_CA_FILE); with an empty one, nil, which stands for the system's.
func Roots(extra []byte) (*x509.CertPool, error) {
	if len(extra) == 0 {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		// A container without certificates still has the operator's own.
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(extra) {
		return nil, fmt.Errorf("read extra roots for receivers: %w", errors.New("want PEM with at least one certificate"))
	}
	return pool, nil
}
