package env

import (
	"crypto/x509"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	caarlos "github.com/caarlos0/env/v11"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/target"
)

// inputs are the variables that need each other, or more than themselves, to
// become settings. Plausible's own defaults stand in its config/runtime.exs.
type inputs struct {
	DatabaseURL       secret.Text `env:"DATABASE_URL" envDefault:"postgres://postgres:postgres@plausible_db:5432/plausible_db"`
	DatabaseCAFile    string      `env:"DATABASE_CACERTFILE"`
	DatabaseSocketDir string      `env:"DATABASE_SOCKET_DIR"`
	ClickHouseURL     secret.Text `env:"CLICKHOUSE_DATABASE_URL" envDefault:"http://plausible_events_db:8123/plausible_events_db"`
	ClickHouseCAFile  string      `env:"CLICKHOUSE_CACERTFILE"`
	SecretKeyBase     secret.Text `env:"SECRET_KEY_BASE"`
	SecretKey         secret.Text `env:"WEBHOOKS_SECRET_KEY"`

	URL    secret.Text  `env:"WEBHOOKS_URL"` // The path of a chat webhook is a secret.
	Secret secret.Text  `env:"WEBHOOKS_SECRET"`
	Format event.Format `env:"WEBHOOKS_FORMAT" envDefault:"standard"`
	Events []event.Type `env:"WEBHOOKS_EVENTS" envDefault:"traffic.spike,traffic.drop,goal.completed"`
}

// Variable is one variable that is read.
type Variable struct {
	Name    string
	Default string // Empty: none.
}

// Variables returns every variable that is read, CONFIG_DIR first.
func Variables() []Variable {
	all := []Variable{{"CONFIG_DIR", defaultConfigDir}}
	for _, t := range []reflect.Type{reflect.TypeFor[Settings](), reflect.TypeFor[inputs]()} {
		for field := range fields(t) {
			all = append(all, Variable{field.Tag.Get("env"), field.Tag.Get("envDefault")})
		}
	}
	return all
}

// fields yields those that a variable fills.
func fields(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if name := t.Field(i).Tag.Get("env"); name != "" && name != "-" && !yield(t.Field(i)) {
				return
			}
		}
	}
}

// Option changes what Load asks for.
type Option func(*loading)

// WithoutBaseURL lets BASE_URL be absent, for commands that make no links.
func WithoutBaseURL() Option { return func(l *loading) { l.baseURLOptional = true } }

// loading is one run of Load.
type loading struct {
	source          Source
	values          map[string]string
	mistakes        Mistakes
	warnings        Warnings
	baseURLOptional bool
}

// Load reads and checks everything. Its result depends on the source alone.
// The error is Mistakes: print it and exit with status 2; the settings are
// then the zero value. Warnings come with or without an error.
func Load(source Source, options ...Option) (Settings, Warnings, error) {
	l := &loading{source: source}
	for _, option := range options {
		option(l)
	}
	var known []string
	for _, variable := range Variables() {
		known = append(known, variable.Name)
	}
	var present []string
	// CONFIG_DIR says where the files are; it is not one of them.
	l.values, present = source.values(known[1:], &l.mistakes)
	l.warnings = warnUnknown(present, known)

	var settings Settings
	var in inputs
	l.parse(&settings)
	l.parse(&in)
	l.check(&settings)
	l.combine(&settings, in)
	if len(l.mistakes) > 0 {
		return Settings{}, l.warnings, l.mistakes.sorted(known)
	}
	return settings, l.warnings, nil
}

// parse fills a struct by its tags and notes what does not parse.
func (l *loading) parse(into any) {
	err := caarlos.ParseWithOptions(into, caarlos.Options{Environment: l.values, FuncMap: parsers})
	if err == nil {
		return
	}
	var all caarlos.AggregateError
	if !errors.As(err, &all) {
		all.Errors = []error{err}
	}
	for _, err := range all.Errors {
		var wrong caarlos.ParseError
		if !errors.As(err, &wrong) {
			panic(fmt.Sprintf("parse the environment: %v", err)) // A tag that the library does not know.
		}
		field, _ := reflect.TypeOf(into).Elem().FieldByName(wrong.Name)
		variable := field.Tag.Get("env")
		want, bounded := wantBounds(variable)
		if !bounded {
			want = wrong.Err.Error()
		}
		l.mistake(variable, want)
	}
}

// mistake notes that a variable has a value that cannot be used.
func (l *loading) mistake(variable, want string) {
	l.mistakes.add(variable, l.shown(variable), want)
}

// shown is a value as it may appear in a message.
func (l *loading) shown(variable string) string {
	value, set := l.values[variable]
	switch {
	case !set:
		return "nothing"
	case slices.Contains([]string{"SECRET_KEY_BASE", "WEBHOOKS_SECRET_KEY", "WEBHOOKS_SECRET"}, variable):
		return "a value that is not shown"
	case slices.Contains([]string{"DATABASE_URL", "CLICKHOUSE_DATABASE_URL", "WEBHOOKS_URL", "WEBHOOKS_PROXY"}, variable), strings.Contains(value, "@"):
		return shownURL(value)
	}
	return strconv.Quote(value)
}

// check applies the bounds, and what is required.
func (l *loading) check(s *Settings) {
	if _, set := l.values["BASE_URL"]; !set && !l.baseURLOptional {
		l.mistake("BASE_URL", "the public address of Plausible, such as https://plausible.example.com")
	}
	for variable, bounds := range durations {
		if v := bounds.value(s); v < bounds.min || v > bounds.max {
			l.mistake(variable, bounds.want())
		}
	}
	for variable, bounds := range numbers {
		if v := bounds.value(s); v < bounds.min || v > bounds.max {
			l.mistake(variable, bounds.want())
		}
	}
	if s.RetryWaitMax < s.RetryWaitMin && !l.mistakes.about("WEBHOOKS_RETRY_WAIT_MIN") {
		l.mistakeOfTwo("WEBHOOKS_RETRY_WAIT_MAX", s.RetryWaitMax.String(), "at least WEBHOOKS_RETRY_WAIT_MIN, which is "+s.RetryWaitMin.String())
	}
	l.checkListeners(s)
	s.CAFile = strings.TrimSpace(s.CAFile)
	s.ReceiverRoots = l.certificates("WEBHOOKS_CA_FILE", s.CAFile)
}

// mistakeOfTwo is for a value that is wrong beside another, so that it may be
// the default.
func (l *loading) mistakeOfTwo(variable, value, want string) {
	l.mistakes.add(variable, strconv.Quote(value), want)
}

func (l *loading) checkListeners(s *Settings) {
	s.Listen, s.AdminListen = strings.TrimSpace(s.Listen), strings.TrimSpace(s.AdminListen)
	host, port, err := splitListen(s.Listen)
	if err != nil {
		l.mistake("WEBHOOKS_LISTEN", "host:port or :port, such as :8001")
	}
	adminHost, adminPort, adminErr := splitListen(s.AdminListen)
	if adminErr != nil {
		l.mistake("WEBHOOKS_ADMIN_LISTEN", "host:port or :port, such as :8002")
	}
	// Port 0 lets the system choose, so that it never collides.
	if err == nil && adminErr == nil && port == adminPort && port != 0 && (host == adminHost || host == "" || adminHost == "") {
		l.mistakeOfTwo("WEBHOOKS_ADMIN_LISTEN", s.AdminListen, "another port than WEBHOOKS_LISTEN has: what is for operators must not stand on the page's")
	}
}

// certificates reads a file of PEM certificates; an empty name is no file.
func (l *loading) certificates(variable, name string) []byte {
	if name == "" {
		return nil
	}
	pem, err := l.source.readFile(name)
	switch {
	case err != nil:
		l.mistake(variable, "a readable file of PEM certificates: "+cause(err))
	case !x509.NewCertPool().AppendCertsFromPEM(pem):
		l.mistake(variable, "a file with at least one PEM certificate, of which this has none")
	}
	return pem
}

// combine makes settings of the variables that need each other.
func (l *loading) combine(s *Settings, in inputs) {
	var err error
	caFile := strings.TrimSpace(in.DatabaseCAFile)
	l.certificates("DATABASE_CACERTFILE", caFile)
	_, named := l.values["DATABASE_URL"]
	if s.Database, err = parseDatabase(in.DatabaseURL.Reveal(), named, strings.TrimSpace(in.DatabaseSocketDir), caFile); err != nil {
		l.mistake("DATABASE_URL", err.Error())
	}
	if s.ClickHouse, err = parseClickHouse(in.ClickHouseURL.Reveal()); err != nil {
		l.mistake("CLICKHOUSE_DATABASE_URL", err.Error())
	}
	s.ClickHouse.Roots = l.certificates("CLICKHOUSE_CACERTFILE", strings.TrimSpace(in.ClickHouseCAFile))

	if s.keyring, err = secret.NewKeyring(in.SecretKey, in.SecretKeyBase); err != nil {
		l.mistake("WEBHOOKS_SECRET_KEY", strings.TrimPrefix(err.Error(), "want "))
	}
	if n := len(in.SecretKeyBase.Reveal()); n > 0 && n < minSecretKeyBase {
		l.warnings = append(l.warnings, fmt.Sprintf("SECRET_KEY_BASE has %d bytes, where Plausible demands at least %d: the key that is derived from it is weak", n, minSecretKeyBase))
	}
	l.instance(s, in)
}

// minSecretKeyBase is Plausible's own bound (config/runtime.exs).
const minSecretKeyBase = 32

// instance checks the instance-wide webhook.
func (l *loading) instance(s *Settings, in inputs) {
	if !in.Secret.Empty() {
		if err := secret.Validate(in.Secret); err != nil {
			l.mistake("WEBHOOKS_SECRET", "whsec_ and the base64 of 24 to 64 bytes, or 16 to 256 printable characters; "+strings.TrimPrefix(err.Error(), secret.ErrUnfit.Error()+": "))
		}
	}
	if in.URL.Empty() {
		for _, variable := range []string{"WEBHOOKS_SECRET", "WEBHOOKS_FORMAT", "WEBHOOKS_EVENTS"} {
			if _, set := l.values[variable]; set {
				l.warnings = append(l.warnings, variable+" has no effect without WEBHOOKS_URL")
			}
		}
		return
	}
	address, err := target.Parse(strings.TrimSpace(in.URL.Reveal()), s.Targets())
	// What is allowed is not known where it does not parse.
	if err != nil && !l.mistakes.about("WEBHOOKS_ALLOWED_TARGETS") && !l.mistakes.about("WEBHOOKS_ALLOWED_PORTS") {
		l.mistake("WEBHOOKS_URL", "a URL that webhooks may call; "+err.Error())
	}
	suggested, known := event.SuggestFormat(address.Host())
	_, chosen := l.values["WEBHOOKS_FORMAT"]
	instead := "a chat service needs its own format instead"
	if known && !chosen {
		instead = fmt.Sprintf("%s needs none but WEBHOOKS_FORMAT=%s", address.Host(), suggested)
	}
	switch {
	case in.Secret.Empty() && in.Format.Signed():
		l.mistake("WEBHOOKS_SECRET", "a secret to sign with, since WEBHOOKS_FORMAT is standard (`openssl rand -hex 32` makes one); "+instead)
	case known && !chosen:
		l.warnings = append(l.warnings, fmt.Sprintf("WEBHOOKS_FORMAT is not set, and standard is not what %s takes: set WEBHOOKS_FORMAT=%s", address.Host(), suggested))
	}
	s.Instance = Instance{URL: address, Secret: in.Secret, Format: in.Format, Events: in.Events}
}
