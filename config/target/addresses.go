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
	return addr.IsValid() && addr.Zone() == "" && guard.SafeAddr(addr) == nil && carriesPublic(addr)
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
// broadcast one is no receiver, and one that carries an IPv4 address leads
// wherever that does.
func never(addr netip.Addr) bool {
	return !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}) || !carriesPublic(addr)
}

// carriesPublic reports whether every IPv4 address inside an IPv6 one is
// public; there may be none. Local-use NAT64 is left to the rules: it exists
// to reach private addresses, and only who lists the range has it.
func carriesPublic(addr netip.Addr) bool {
	if localNAT64.Contains(addr) {
		return true
	}
	for _, inner := range carried(addr) {
		if !Public(inner) {
			return false
		}
	}
	return true
}

// Ranges whose addresses carry an IPv4 one, besides those of 4-in-6 mapping.
var (
	compatible = netip.MustParsePrefix("::/96")           // RFC 4291, section 2.5.5.1.
	translated = netip.MustParsePrefix("::ffff:0:0:0/96") // SIIT, RFC 2765.
	localNAT64 = netip.MustParsePrefix("64:ff9b:1::/48")  // RFC 8215.
	sixToFour  = netip.MustParsePrefix("2002::/16")       // RFC 3056.
	teredo     = netip.MustParsePrefix("2001::/32")       // RFC 4380.
)

// carried returns the IPv4 addresses inside an IPv6 one that is not mapped;
// where its layout is not known, one for each layout.
func carried(addr netip.Addr) []netip.Addr {
	if !addr.Is6() || addr.IsUnspecified() || addr.IsLoopback() {
		return nil
	}
	addr = addr.WithZone("")
	b := addr.As16()
	at := func(i, j, k, l int) netip.Addr { return netip.AddrFrom4([4]byte{b[i], b[j], b[k], b[l]}) }
	last := at(12, 13, 14, 15)
	switch {
	case compatible.Contains(addr), translated.Contains(addr), ssrf.IPv6NAT64Prefix.Contains(addr):
		return []netip.Addr{last}
	case localNAT64.Contains(addr): // RFC 6052, section 2.2: prefixes of 96, 64, 56 and 48 bits.
		return []netip.Addr{last, at(9, 10, 11, 12), at(7, 9, 10, 11), at(6, 7, 9, 10)}
	case sixToFour.Contains(addr):
		return []netip.Addr{at(2, 3, 4, 5)}
	case teredo.Contains(addr): // The server's, and the client's with its bits flipped.
		return []netip.Addr{at(4, 5, 6, 7), netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]})}
	case b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe: // ISATAP, RFC 5214, section 6.1, in any network.
		return []netip.Addr{last}
	}
	return nil
}
