package target

import (
	"database/sql/driver"
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxLength is the longest URL of a webhook, in bytes, once normalised.
const MaxLength = 2048

// URL is a webhook's URL that follows the rules. It prints as scheme and host;
// Reveal returns all of it. The zero value is no URL.
type URL struct {
	// Behind a pointer, so that fmt does not print it as part of a struct.
	parts *parts
}

type parts struct {
	scheme string
	host   string // Without brackets.
	port   uint16
	rest   string // Path and query.
}

// Parse reads a URL that a person wants to save, and normalises it: lower-case
// scheme and host, punycode, no default port. The error is a *Refusal.
func Parse(raw string, rules Rules) (URL, error) { return parse(raw, rules, false) }

// ParseSaved reads a stored URL before an attempt. It differs from Parse where
// only the address can tell: a name that may lie in an allowed range passes,
// and Rules.AllowsAddr decides. Where a proxy resolves names, so that no
// address is ever seen, use Parse.
func ParseSaved(raw string, rules Rules) (URL, error) { return parse(raw, rules, true) }

func parse(raw string, rules Rules, hopeful bool) (URL, error) {
	u, refusal := split(raw)
	if refusal != nil {
		return URL{}, refusal
	}
	if addr, err := netip.ParseAddr(u.host); err == nil {
		if err := rules.AllowsAddr(u.scheme, u.host, netip.AddrPortFrom(addr, u.port)); err != nil {
			return URL{}, err
		}
	} else if refusal := rules.allowsName(u.scheme, u.host, u.port, hopeful); refusal != nil {
		return URL{}, refusal
	}
	return URL{parts: &u}, nil
}

// split takes a URL apart and normalises its parts. It reads the authority
// itself: net/url is lenient where a hostile URL wants it to be.
func split(raw string) (parts, *Refusal) {
	var u parts
	if raw == "" {
		return u, refuse(BadSyntax, "a URL is needed")
	}
	if len(raw) > MaxLength {
		return u, errLength()
	}
	if !utf8.ValidString(raw) || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }) {
		return u, refuse(BadSyntax, "the URL holds a space, a backslash or a control character")
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	u.scheme = strings.ToLower(scheme)
	if !ok || u.scheme != "https" && u.scheme != "http" {
		return u, errScheme()
	}
	if strings.Contains(rest, "#") {
		return u, refuse(BadSyntax, "the URL must not have a fragment (#…): it would never be sent")
	}
	authority := rest
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		authority, u.rest = rest[:end], rest[end:]
	}
	if strings.Contains(authority, "@") {
		return u, refuse(BadSyntax, "the URL must not hold a user name or password")
	}
	var refusal *Refusal
	if u.host, u.port, refusal = splitAuthority(authority, u.scheme); refusal != nil {
		return u, refusal
	}
	if u.rest, ok = normaliseRest(u.rest); !ok {
		return u, refuse(BadSyntax, "the path or query of the URL is not encoded correctly")
	}
	if len(u.full()) > MaxLength {
		return u, errLength()
	}
	return u, nil
}

func errLength() *Refusal {
	return refuse(BadSyntax, "the URL is longer than "+strconv.Itoa(MaxLength)+" characters")
}

func splitAuthority(authority, scheme string) (host string, port uint16, refusal *Refusal) {
	host, portText, hasPort := authority, "", false
	closing := strings.LastIndexByte(authority, ']')
	if colon := strings.LastIndexByte(authority, ':'); colon > closing {
		host, portText, hasPort = authority[:colon], authority[colon+1:], true
	}
	port = 443
	if scheme == "http" {
		port = 80
	}
	if hasPort {
		var ok bool
		if port, ok = ParsePort(portText); !ok {
			return "", 0, refuse(BadPort, "the port must be a number from 1 to 65535")
		}
	}
	switch {
	case strings.Contains(host, "%"):
		return "", 0, errName("the host must not be percent-encoded nor have a zone")
	case strings.HasPrefix(host, "["):
		addr, err := netip.ParseAddr(strings.TrimSuffix(host[1:], "]"))
		if err != nil || !addr.Is6() || !strings.HasSuffix(host, "]") {
			return "", 0, errName("the address in brackets is not an IPv6 address")
		}
		return addr.Unmap().String(), port, nil
	case strings.ContainsAny(host, "[]:"):
		return "", 0, errName("the host holds stray brackets or colons; an IPv6 address is written [2001:db8::1]")
	}
	// Digits and dots of other scripts become ASCII in normaliseName, where
	// they end in a number and are refused.
	if addr, err := netip.ParseAddr(strings.TrimSuffix(host, ".")); err == nil {
		return addr.String(), port, nil
	}
	name, refusal := normaliseName(host)
	return name, port, refusal
}

// normaliseRest percent-encodes what is not ASCII, so that the request line is
// the same whoever writes it, and leaves every other byte as it is.
func normaliseRest(rest string) (string, bool) {
	if strings.HasPrefix(rest, "?") {
		rest = "/" + rest
	}
	if _, err := url.ParseRequestURI("/" + strings.TrimPrefix(rest, "/")); err != nil {
		return "", false
	}
	if isASCII(rest) {
		return rest, true
	}
	var b strings.Builder
	for i := range len(rest) {
		if c := rest[i]; c < 0x80 {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(c), 16)))
		}
	}
	return b.String(), true
}

func (p parts) origin() string {
	host := p.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if p.scheme == "https" && p.port == 443 || p.scheme == "http" && p.port == 80 {
		return p.scheme + "://" + host
	}
	return p.scheme + "://" + host + ":" + strconv.Itoa(int(p.port))
}

func (p parts) full() string { return p.origin() + p.rest }

// Reveal returns the whole URL, normalised.
func (u URL) Reveal() string {
	if u.parts == nil {
		return ""
	}
	return u.parts.full()
}

// String returns scheme and host, with the port where it is not the scheme's.
func (u URL) String() string {
	if u.parts == nil {
		return ""
	}
	return u.parts.origin()
}

// GoString is String.
func (u URL) GoString() string { return u.String() }

// MarshalText is String.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// Value refuses: a driver would otherwise store the URL without its path.
func (u URL) Value() (driver.Value, error) {
	return nil, errors.New("store a URL: reveal it first")
}

// IsZero reports whether there is no URL.
func (u URL) IsZero() bool { return u.parts == nil }

// Scheme returns "https" or "http"; empty for the zero value.
func (u URL) Scheme() string {
	if u.parts == nil {
		return ""
	}
	return u.parts.scheme
}

// Host returns the name or address without brackets and port, the form that
// Rules.AllowsAddr takes; empty for the zero value.
func (u URL) Host() string {
	if u.parts == nil {
		return ""
	}
	return u.parts.host
}

// Port returns the port, the scheme's own if the URL names none; zero for the
// zero value.
func (u URL) Port() uint16 {
	if u.parts == nil {
		return 0
	}
	return u.parts.port
}

// Display returns scheme and host of any stored URL, for lists, logs, errors
// and metrics (deploy/REFERENCE.md section 3), and a fixed text for what is not a URL of
// http or https.
func Display(raw string) string {
	// Whoever wrote the row directly may have put a user name or a fragment
	// there; neither keeps the host from being shown, and neither is.
	if scheme, rest, ok := strings.Cut(raw, "://"); ok {
		authority := rest
		if end := strings.IndexAny(rest, "/?#\\"); end >= 0 {
			authority = rest[:end]
		}
		if at := strings.LastIndexByte(authority, '@'); at >= 0 {
			authority = authority[at+1:]
		}
		if u, refusal := split(scheme + "://" + authority); refusal == nil {
			return u.origin()
		}
	}
	return "(not a URL)"
}
