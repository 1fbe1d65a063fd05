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
// interfaces. Where one of Host's addresses is this machine's, add a loopback
// address to them, since such a server usually answers there as well.
//
// All loopback and unspecified addresses count as one: they are this machine.
func (o OwnServer) Covers(address netip.AddrPort, resolved []netip.Addr) bool {
	addr := address.Addr().Unmap().WithZone("")
	here := thisMachine(addr)
	same := here && o.Host == "" || slices.ContainsFunc(resolved, func(own netip.Addr) bool {
		own = own.Unmap().WithZone("")
		return own == addr || here && thisMachine(own)
	})
	return same && (o.WholeHost && !here || slices.Contains(o.Ports, address.Port()))
}

func thisMachine(addr netip.Addr) bool { return addr.IsLoopback() || addr.IsUnspecified() }
