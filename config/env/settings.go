package env

import (
	"net/url"
	"time"

	"github.com/hashicorp/go-hclog"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/target"
)

// Settings are everything that the environment sets, checked and with defaults
// filled in. The bounds of numbers stand in bounds.go.
type Settings struct {
	// BaseURL is the public address of Plausible, for links; its path has no
	// final slash. Zero only where WithoutBaseURL was asked for.
	BaseURL url.URL `env:"BASE_URL"`

	// Database is Plausible's PostgreSQL.
	Database Database `env:"-"`

	// ClickHouse is Plausible's ClickHouse.
	ClickHouse ClickHouse `env:"-"`

	// ConfigSource is how configuration is followed.
	ConfigSource ConfigSource `env:"WEBHOOKS_CONFIG_SOURCE" envDefault:"auto"`

	// PlausibleURL is Plausible as the sidecar reaches it.
	PlausibleURL url.URL `env:"WEBHOOKS_PLAUSIBLE_URL" envDefault:"http://plausible:8000"`

	// Listen is the listening address of the settings page, AdminListen that of
	// health and metrics: host:port, where the host may be empty.
	Listen      string `env:"WEBHOOKS_LISTEN" envDefault:":8001"`
	AdminListen string `env:"WEBHOOKS_ADMIN_LISTEN" envDefault:":8002"`

	// PollInterval is the time from one evaluation of triggers to the next.
	PollInterval time.Duration `env:"WEBHOOKS_POLL_INTERVAL" envDefault:"5s"`

	// Lookback is how far back goal completions are caught up after downtime.
	Lookback time.Duration `env:"WEBHOOKS_LOOKBACK" envDefault:"24h"`

	// LateEvents is how late an event may reach ClickHouse and still count.
	LateEvents time.Duration `env:"WEBHOOKS_LATE_EVENTS" envDefault:"2m"`

	// Instance is the instance-wide webhook of the environment.
	Instance Instance `env:"-"`

	// Retries follow a round's first attempt, after waits that double from
	// RetryWaitMin up to RetryWaitMax.
	Retries      int           `env:"WEBHOOKS_RETRIES" envDefault:"3"`
	RetryWaitMin time.Duration `env:"WEBHOOKS_RETRY_WAIT_MIN" envDefault:"1s"`
	RetryWaitMax time.Duration `env:"WEBHOOKS_RETRY_WAIT_MAX" envDefault:"4s"`

	// Redelivery are the delays after each failed round until the next; none:
	// one round is all.
	Redelivery []time.Duration `env:"WEBHOOKS_REDELIVERY"`

	// DisableAfter is how long nothing may have succeeded before a webhook is
	// disabled. Zero: never.
	DisableAfter time.Duration `env:"WEBHOOKS_DISABLE_AFTER" envDefault:"120h"`

	// Timeout is for one attempt, from connecting to the last byte read.
	Timeout time.Duration `env:"WEBHOOKS_TIMEOUT" envDefault:"5s"`

	// Concurrency is the number of attempts in flight, in all; the second, to
	// one webhook.
	Concurrency           int `env:"WEBHOOKS_CONCURRENCY" envDefault:"256"`
	ConcurrencyPerWebhook int `env:"WEBHOOKS_CONCURRENCY_PER_WEBHOOK" envDefault:"4"`

	// MaxPerSite is the number of webhooks that one site may have.
	MaxPerSite int `env:"WEBHOOKS_MAX_PER_SITE" envDefault:"20"`

	// AllowedTargets and AllowedPorts say where webhooks may point; see Targets.
	AllowedTargets []target.Allowed `env:"WEBHOOKS_ALLOWED_TARGETS"`
	AllowedPorts   []uint16         `env:"WEBHOOKS_ALLOWED_PORTS" envDefault:"443,8443"`

	// Proxy is the egress proxy of requests to receivers; zero: none.
	Proxy Proxy `env:"WEBHOOKS_PROXY"`

	// CAFile names extra roots for receivers, and ReceiverRoots is its content:
	// PEM with at least one certificate. Both empty: none.
	CAFile        string `env:"WEBHOOKS_CA_FILE"`
	ReceiverRoots []byte `env:"-"`

	// Retention is how long finished deliveries are kept.
	Retention time.Duration `env:"WEBHOOKS_RETENTION" envDefault:"720h"`

	LogLevel  hclog.Level `env:"WEBHOOKS_LOG_LEVEL" envDefault:"info"`
	LogFormat LogFormat   `env:"WEBHOOKS_LOG_FORMAT" envDefault:"text"`

	keyring secret.Keyring
}

// Instance is the one webhook that the environment describes: every site's
// events, by WEBHOOKS_URL.
type Instance struct {
	URL    target.URL // Zero: there is no such webhook.
	Secret secret.Text
	Format event.Format

	// Events are firing types and, where recoveries are asked for, the
	// "….ended" types of those, each once; none that needs a threshold.
	Events []event.Type
}

// Configured reports whether there is an instance-wide webhook.
func (i Instance) Configured() bool { return !i.URL.IsZero() }

// ConfigSource is how configuration is followed.
type ConfigSource string

// The values of WEBHOOKS_CONFIG_SOURCE.
const (
	SourceAuto        ConfigSource = "auto"
	SourceReplication ConfigSource = "replication"
	SourcePoll        ConfigSource = "poll"
)

// LogFormat is the form of log lines.
type LogFormat string

// The values of WEBHOOKS_LOG_FORMAT.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// Keyring returns the keys for secrets at rest, made of WEBHOOKS_SECRET_KEY and
// SECRET_KEY_BASE; empty where neither is set.
func (s Settings) Keyring() secret.Keyring { return s.keyring }

// Targets returns the rules for where webhooks may point.
func (s Settings) Targets() target.Rules {
	return target.Rules{AllowedTargets: s.AllowedTargets, AllowedPorts: s.AllowedPorts}
}

// OwnServers returns the installation's own servers, which no webhook may
// reach whatever is allowed.
func (s Settings) OwnServers() []target.OwnServer {
	own := append(s.Database.OwnServers(), s.ClickHouse.OwnServer())
	own = append(own, target.OwnServer{Host: s.PlausibleURL.Hostname(), Ports: []uint16{portOf(&s.PlausibleURL)}})
	for _, listen := range []string{s.Listen, s.AdminListen} {
		if host, port, err := splitListen(listen); err == nil {
			own = append(own, target.OwnServer{Host: host, Ports: []uint16{port}})
		}
	}
	return own
}
