package target

import (
	"net/netip"

	"code.dny.dev/ssrf"
)

// azureWireServer answers inside every Azure machine with credentials of it,
// and yet lies in public space, so that no registry names it.
var azureWireServer = netip.MustParsePrefix("168.63.129.16/32")

var guard = ssrf.New(ssrf.WithAnyPort(), ssrf.WithDeniedV4Prefixes(azureWireServer))

// Public reports whether an address belongs to the public internet. An IPv4
// address mapped into IPv6 counts as the IPv4 address that it stands for; one
// with a zone is never public.
func Public(addr netip.Addr) bool {
	addr = addr.Unmap()
	return addr.IsValid() && addr.Zone() == "" && guard.SafeAddr(addr) == nil
}

// private reports whether a whole range lies outside public space.
func private(prefix netip.Prefix) bool {
	denied := append([]netip.Prefix{azureWireServer}, ssrf.IPv4DeniedPrefixes...)
	if prefix.Addr().Is6() {
		if !ssrf.IPv6GlobalUnicast.Overlaps(prefix) {
			// Wider ranges, such as ::/0, overlap the public one.
			return true
		}
		denied = ssrf.IPv6DeniedPrefixes
	}
	for _, d := range denied {
		if d.Bits() <= prefix.Bits() && d.Contains(prefix.Addr()) {
			return true
		}
	}
	return false
}

// never reports whether an address is refused whatever is allowed: the
// unspecified ones reach the machine itself under another name, a multicast or
// broadcast one is no receiver, and a NAT64 one leads wherever the IPv4 address
// inside it does.
func never(addr netip.Addr) bool {
	if !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return true
	}
	if ssrf.IPv6NAT64Prefix.Contains(addr) {
		bytes := addr.As16()
		return !Public(netip.AddrFrom4([4]byte(bytes[12:])))
	}
	return false
}
