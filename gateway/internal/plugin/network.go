package plugin

import "net/netip"

// WholeAddress is the length of a prefix that leaves nothing of an address out.
const WholeAddress = 128

// Network is the address that clients are counted by: of an IPv6 address the
// first bits alone, since a client has a whole network of them.
func Network(ip string, bits int) string {
	if bits == WholeAddress {
		return ip
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil || !addr.Is6() || addr.Is4In6() {
		return ip
	}
	p, err := addr.WithZone("").Prefix(bits)
	if err != nil {
		return ip
	}
	return p.String()
}
