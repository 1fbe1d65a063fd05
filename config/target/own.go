package target

import (
	"net/netip"
	"slices"
)

// OwnServer is a server of the installation itself, which no webhook may
// reach, whatever is allowed (deploy/REFERENCE.md section 1).
type OwnServer struct {
	// Host is a name or an address. Empty: every address of this machine, as
	// a listener without a host has it.
	Host string

	// Ports are those that are refused.
	Ports []uint16

	// WholeHost refuses every port of the host, except on a loopback address,
	// where other servers of the operator may live: there Ports are refused.
	WholeHost bool
}

// Covers reports whether an address is the server's. Resolved are the
// addresses that Host resolves to; for an empty Host, those of this machine's
// interfaces. Where Host turns out to be this machine, ask an OwnServer of the
// same ports without a Host as well: the server may answer at all of them.
//
// All loopback and unspecified addresses count as one: they are this machine.
// An IPv6 address that carries an IPv4 one counts as either.
func (o OwnServer) Covers(address netip.AddrPort, resolved []netip.Addr) bool {
	for _, addr := range forms(address.Addr()) {
		here := thisMachine(addr)
		same := here && o.Host == "" || slices.ContainsFunc(resolved, func(own netip.Addr) bool {
			return slices.ContainsFunc(forms(own), func(own netip.Addr) bool { return own == addr || here && thisMachine(own) })
		})
		if same && (o.WholeHost && !here || slices.Contains(o.Ports, address.Port())) {
			return true
		}
	}
	return false
}

// Named reports whether a URL's host is the server by its name, for where
// addresses do not tell: a proxy resolves it, or the look-up of Host failed.
// Host is as URL.Host returns it, resolved as in Covers, as far as known.
func (o OwnServer) Named(host string, port uint16, resolved []netip.Addr) bool {
	own, refusal := normaliseName(o.Host)
	if refusal != nil || own != host {
		return false
	}
	here := own == "localhost" || slices.ContainsFunc(resolved, thisMachine)
	return o.WholeHost && !here || slices.Contains(o.Ports, port)
}

// forms returns an address and the IPv4 ones that it carries.
func forms(addr netip.Addr) []netip.Addr {
	addr = addr.Unmap().WithZone("")
	return append([]netip.Addr{addr}, carried(addr)...)
}

func thisMachine(addr netip.Addr) bool { return addr.IsLoopback() || addr.IsUnspecified() }
