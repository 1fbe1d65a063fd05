package target

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Rules are what the operator allows beyond "https:// to public addresses".
// The zero value allows no port at all; start from DefaultPorts.
type Rules struct {
	// AllowedTargets are the operator's own network: WEBHOOKS_ALLOWED_TARGETS.
	AllowedTargets []Allowed

	// AllowedPorts are the ports on public addresses: WEBHOOKS_ALLOWED_PORTS.
	AllowedPorts []uint16
}

// DefaultPorts is the default of WEBHOOKS_ALLOWED_PORTS.
func DefaultPorts() []uint16 { return []uint16{443, 8443} }

// Allowed is one entry of WEBHOOKS_ALLOWED_TARGETS. What it grants (deploy/REFERENCE.md
// section 1):
//
//   - with a port (host:port, CIDR:port): that port there, by https and http;
//   - a bare host, by name or by address: https and http; any port if it is
//     not at a public address, else AllowedPorts and http's own 80;
//   - a bare range that is private or loopback: https and http on any port;
//   - any other bare range: its addresses although not public, by https on
//     AllowedPorts.
type Allowed struct {
	host   string       // A normalised name; empty for an address or a range.
	prefix netip.Prefix // An address or a range, never mapped; invalid for a name.
	single bool         // The prefix was written as an address, without its length.
	port   uint16       // Zero: none was given.
}

// ParseAllowed reads one entry: "host", "host:port", a CIDR, "CIDR:port",
// "[v6]/n", "[v6]/n:port"; an IPv6 address with a port needs its brackets.
func ParseAllowed(text string) (Allowed, error) {
	rest, port, err := cutAllowedPort(text)
	if err != nil {
		return Allowed{}, err
	}
	allowed := Allowed{port: port}
	address, length, ranged := strings.Cut(rest, "/")
	bare := strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
	if (bare != address) != (strings.HasPrefix(address, "[") && strings.HasSuffix(address, "]")) {
		return Allowed{}, errAllowed(text)
	}
	addr, err := netip.ParseAddr(bare)
	switch {
	case err == nil && addr.Zone() != "":
		return Allowed{}, errAllowed(text)
	case err == nil:
		bits := addr.BitLen()
		if ranged {
			if bits, err = strconv.Atoi(length); err != nil || strconv.Itoa(bits) != length {
				return Allowed{}, errAllowed(text)
			}
		}
		if addr.Is4In6() {
			// A range of mapped addresses is the range of the IPv4 ones.
			bits, addr = bits-96, addr.Unmap()
		}
		if allowed.prefix, err = addr.Prefix(bits); err != nil {
			return Allowed{}, errAllowed(text)
		}
		allowed.single = !ranged
		return allowed, nil
	case ranged || bare != address:
		return Allowed{}, errAllowed(text)
	}
	host, refusal := normaliseName(rest)
	if refusal != nil {
		return Allowed{}, errAllowed(text)
	}
	allowed.host = host
	return allowed, nil
}

func errAllowed(text string) error {
	return fmt.Errorf("%q is neither a host, nor host:port, nor a CIDR, nor CIDR:port", text)
}

// cutAllowedPort splits the port off, if the entry has one.
func cutAllowedPort(text string) (rest string, port uint16, err error) {
	colon := strings.LastIndexByte(text, ':')
	if colon < 0 {
		return text, 0, nil
	}
	// Without brackets, more than one colon is an IPv6 address or range.
	if !strings.HasPrefix(text, "[") && strings.Count(text, ":") > 1 {
		return text, 0, nil
	}
	if strings.HasPrefix(text, "[") && colon < strings.IndexByte(text, ']') {
		return text, 0, nil
	}
	port, ok := ParsePort(text[colon+1:])
	if !ok {
		return "", 0, fmt.Errorf("%q has a port that is not a number from 1 to 65535", text)
	}
	return text[:colon], port, nil
}

// ParsePort reads a port from 1 to 65535 in plain ASCII digits.
func ParsePort(text string) (uint16, bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	port, err := strconv.ParseUint(text, 10, 16)
	return uint16(port), err == nil && port > 0
}

// String returns the entry in its normal form.
func (a Allowed) String() string {
	text := a.host
	switch {
	case text != "":
	case a.prefix.Addr().Is6():
		text = "[" + a.prefix.Addr().String() + "]"
	default:
		text = a.prefix.Addr().String()
	}
	if a.prefix.IsValid() && !a.single {
		text += "/" + strconv.Itoa(a.prefix.Bits())
	}
	if a.port != 0 {
		text += ":" + strconv.Itoa(int(a.port))
	}
	return text
}

// MarshalText is String.
func (a Allowed) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// AllowsAddr decides about one connection, when its address is known: nil, or
// the *Refusal. Host is the URL's host as URL.Host returns it, address what it
// resolved to. The dialer must ask this for the very address that it connects
// to. The operator's own servers are OwnServer's to refuse.
func (r Rules) AllowsAddr(scheme, host string, address netip.AddrPort) error {
	addr, port := address.Addr().Unmap(), address.Port()
	if never(addr) {
		return errAddress()
	}
	public := Public(addr)
	granted := public
	for _, allowed := range r.AllowedTargets {
		if !allowed.names(host) && !allowed.contains(addr) {
			continue
		}
		switch {
		case allowed.port == port:
			return nil
		case allowed.port != 0:
		case allowed.host != "" || allowed.single:
			if !public || r.defaultPort(scheme, port) {
				return nil
			}
		case private(allowed.prefix):
			return nil
		default:
			granted = true
		}
	}
	switch {
	case !granted:
		return errAddress()
	case scheme != "https":
		return errScheme()
	case !slices.Contains(r.AllowedPorts, port):
		return r.errPort()
	}
	return nil
}

// defaultPort reports whether a bare host at a public address may be reached
// on a port: on those for public addresses, and on 80 by http.
func (r Rules) defaultPort(scheme string, port uint16) bool {
	return slices.Contains(r.AllowedPorts, port) || scheme == "http" && port == 80
}

func (a Allowed) names(host string) bool { return a.host != "" && a.host == host }

func (a Allowed) contains(addr netip.Addr) bool { return a.prefix.IsValid() && a.prefix.Contains(addr) }

// allowsName decides about a host name before it is resolved. Hopeful tells
// what to make of a name that only its address could bring into an allowed
// range: a public-looking one is taken at its word when it is saved, but not
// when it is attempted, as split-horizon DNS may well put it there.
func (r Rules) allowsName(scheme, host string, port uint16, hopeful bool) *Refusal {
	local := isLocal(host)
	for _, allowed := range r.AllowedTargets {
		switch {
		case allowed.port != 0 && allowed.port != port:
		case allowed.names(host):
			return nil
		case !allowed.prefix.IsValid() || !(local || hopeful):
		case allowed.port == port || allowed.single || private(allowed.prefix):
			return nil
		case scheme == "https" && slices.Contains(r.AllowedPorts, port):
			return nil
		}
	}
	switch {
	case refusedName(host):
		return refuse(BadHost, "this host is not in public DNS: use a full domain name, or have the operator list the host in WEBHOOKS_ALLOWED_TARGETS")
	case scheme != "https":
		return errScheme()
	case !slices.Contains(r.AllowedPorts, port):
		return r.errPort()
	}
	return nil
}

func errScheme() *Refusal {
	return refuse(BadScheme, "the URL must begin with https://; only hosts that the operator lists in WEBHOOKS_ALLOWED_TARGETS may be reached by http://")
}

func (r Rules) errPort() *Refusal {
	ports := make([]string, len(r.AllowedPorts))
	for i, port := range r.AllowedPorts {
		ports[i] = strconv.Itoa(int(port))
	}
	return refuse(BadPort, "the port is not allowed: use one of "+strings.Join(ports, ", ")+", or have the operator list it in WEBHOOKS_ALLOWED_PORTS")
}
