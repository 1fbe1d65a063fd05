package env

import (
	"errors"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	caarlos "github.com/caarlos0/env/v11"
	"github.com/hashicorp/go-hclog"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/target"
)

// parsers read one value each. Their errors say what is wanted, as the end of
// "NAME: got …, want …".
var parsers = map[reflect.Type]caarlos.ParserFunc{
	reflect.TypeFor[time.Duration]():    one(parseDuration),
	reflect.TypeFor[[]time.Duration]():  one(parseDurations),
	reflect.TypeFor[int]():              one(parseWholeNumber),
	reflect.TypeFor[string]():           one(func(s string) (string, error) { return s, nil }),
	reflect.TypeFor[url.URL]():          one(parseWebURL),
	reflect.TypeFor[Proxy]():            one(parseProxy),
	reflect.TypeFor[ConfigSource]():     one(oneOf(SourceAuto, SourceReplication, SourcePoll)),
	reflect.TypeFor[LogFormat]():        one(oneOf(LogText, LogJSON)),
	reflect.TypeFor[hclog.Level]():      one(parseLevel),
	reflect.TypeFor[event.Format]():     one(oneOf(event.Formats()...)),
	reflect.TypeFor[[]event.Type]():     one(parseEvents),
	reflect.TypeFor[[]target.Allowed](): one(parseAllowed),
	reflect.TypeFor[[]uint16]():         one(parsePorts),
}

// one adapts a parser to the library and trims what it reads.
func one[T any](parse func(string) (T, error)) caarlos.ParserFunc {
	return func(text string) (any, error) { return parse(strings.TrimSpace(text)) }
}

func oneOf[T ~string](allowed ...T) func(string) (T, error) {
	return func(text string) (T, error) {
		if i := slices.Index(allowed, T(text)); i >= 0 {
			return allowed[i], nil
		}
		return "", errors.New(choice(allowed))
	}
}

func choice[T ~string](allowed []T) string {
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, errDuration
	}
	return d, nil
}

// errDuration is replaced by the text of the variable's bounds.
var errDuration = errors.New("a duration such as 5s or 2m")

func parseDurations(text string) ([]time.Duration, error) {
	var delays []time.Duration
	for _, item := range items(text) {
		d, err := time.ParseDuration(item)
		if err != nil || d <= 0 || d > maxRedelivery {
			return nil, errors.New("delays separated by commas, each above 0 and at most 720h, such as 5m,30m,2h")
		}
		delays = append(delays, d)
	}
	if len(delays) > maxRedeliveries {
		return nil, errors.New("at most 50 delays")
	}
	return delays, nil
}

func parseWholeNumber(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, errWholeNumber
	}
	return n, nil
}

// errWholeNumber is replaced by the text of the variable's bounds.
var errWholeNumber = errors.New("a whole number")

func parseLevel(text string) (hclog.Level, error) {
	level := hclog.LevelFromString(text)
	if level == hclog.NoLevel {
		return level, errors.New("trace, debug, info, warn, error or off")
	}
	return level, nil
}

// parseEvents reads what the instance-wide webhook receives. A recovery
// follows a firing that was sent, so that one is not to be had without the
// other. What needs a threshold of its own is not to be had at all: this
// webhook's triggers are the sites' settings.
func parseEvents(text string) ([]event.Type, error) {
	var allowed, thresholds, types []event.Type
	for _, firing := range event.Firing() {
		all := []event.Type{firing}
		if ended, ok := firing.Ended(); ok {
			all = append(all, ended)
		}
		if firing.NeedsThreshold() {
			thresholds = append(thresholds, all...)
		} else {
			allowed = append(allowed, all...)
		}
	}
	for _, item := range items(text) {
		t := event.Type(item)
		if slices.Contains(thresholds, t) {
			return nil, errors.New("no " + item + ": it needs a threshold, and this webhook takes its triggers from the sites' settings, which hold none for goals; " +
				"give it to a webhook that `plausible-webhooks webhook add` makes")
		}
		if !slices.Contains(allowed, t) {
			return nil, errors.New("event types separated by commas, out of " + choice(allowed))
		}
		if !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	for _, firing := range event.Firing() {
		ended, ok := firing.Ended()
		if ok && slices.Contains(types, ended) && !slices.Contains(types, firing) {
			return nil, errors.New(string(firing) + " beside " + string(ended) + ", since only episodes that were announced have an end to announce")
		}
	}
	if len(types) == 0 {
		return nil, errors.New("at least one event type")
	}
	return types, nil
}

func parseAllowed(text string) ([]target.Allowed, error) {
	var allowed []target.Allowed
	for _, item := range items(text) {
		a, err := target.ParseAllowed(item)
		if err != nil {
			return nil, errors.New("hosts, host:port, CIDRs or CIDR:port separated by commas, such as n8n:5678,10.0.0.0/8; " + err.Error())
		}
		allowed = append(allowed, a)
	}
	return allowed, nil
}

func parsePorts(text string) ([]uint16, error) {
	var ports []uint16
	for _, item := range items(text) {
		port, ok := target.ParsePort(item)
		if !ok {
			return nil, errors.New("ports from 1 to 65535 separated by commas, such as 443,8443")
		}
		if !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	if len(ports) == 0 {
		return nil, errors.New("at least one port")
	}
	return ports, nil
}

// items splits a list at commas; spaces and empty items do not count.
func items(text string) []string {
	var found []string
	for _, item := range strings.Split(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			found = append(found, item)
		}
	}
	return found
}

// parseWebURL reads an address of Plausible, with a path where it lives under
// one.
func parseWebURL(text string) (url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !validPort(u) {
		return url.URL{}, errors.New("a URL of http or https without user name, query and fragment, such as https://plausible.example.com")
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}, nil
}

func validPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	_, ok := target.ParsePort(u.Port())
	return ok
}

// portOf is the port of a URL of http or https, the scheme's own if it names
// none.
func portOf(u *url.URL) uint16 {
	if port, ok := target.ParsePort(u.Port()); ok {
		return port
	}
	if u.Scheme == "https" {
		return 443
	}
	return 80
}

// splitListen reads a listening address. An address that stands for every one
// of the machine comes back as an empty host.
func splitListen(text string) (host string, port uint16, err error) {
	host, portText, err := net.SplitHostPort(text)
	if err != nil {
		return "", 0, err
	}
	number, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || strings.ContainsAny(host, " /@") {
		return "", 0, errors.New("not host:port")
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = ""
	}
	return host, uint16(number), nil
}

// Proxy is an egress proxy. It prints as scheme and host, since its URL may
// hold a password.
type Proxy struct{ url *url.URL }

// URL returns the proxy's URL, with user name and password; nil without one.
func (p Proxy) URL() *url.URL { return p.url }

// String returns scheme and host; empty without a proxy.
func (p Proxy) String() string {
	if p.url == nil {
		return ""
	}
	return p.url.Scheme + "://" + p.url.Host
}

// GoString is String.
func (p Proxy) GoString() string { return p.String() }

// MarshalText is String.
func (p Proxy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

func parseProxy(text string) (Proxy, error) {
	u, err := url.Parse(text)
	if err != nil || !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) || u.Hostname() == "" || !validPort(u) || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return Proxy{}, errors.New("a proxy's URL such as http://proxy:3128 (http, https or socks5)")
	}
	return Proxy{url: u}, nil
}
