package route

import (
	"net/netip"
	"strings"
)

// CanonicalHost checks a Host header or the authority of a request target and
// returns the form that is matched, keyed and forwarded: without one trailing
// dot of the name, and without a colon that no port follows. Letters keep their
// case. It is valid when the name is made of letters, digits, '-', '_' and '~'
// in labels of at least one character, or is an IP address (IPv6 in brackets,
// without a zone), and the port, if there is one, is decimal and at most 65535.
// A host that is canonical already is returned as it is, without allocation.
func CanonicalHost(host string) (canonical string, ok bool) {
	name, port := host, ""
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 {
			return "", false
		}
		addr, err := netip.ParseAddr(host[1:end])
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", false
		}
		rest := host[end+1:]
		if rest != "" && rest[0] != ':' {
			return "", false
		}
		name = host[:end+1]
		if rest != "" {
			port = rest[1:]
		}
	} else {
		if i := strings.IndexByte(host, ':'); i >= 0 {
			name, port = host[:i], host[i+1:]
		}
		if !validName(strings.TrimSuffix(name, ".")) {
			return "", false
		}
	}
	if !validPort(port) {
		return "", false
	}
	bare := strings.TrimSuffix(name, ".")
	switch {
	case port == "":
		return bare, true // shares host's bytes
	case len(bare) == len(name):
		return host, true
	}
	return bare + host[len(name):], true
}

// maxHostLength is the longest name that is accepted: DNS allows 253 bytes.
const maxHostLength = 255

func validName(name string) bool {
	if name == "" || len(name) > maxHostLength {
		return false
	}
	label := 0 // bytes of the label so far
	for i := range len(name) {
		switch c := name[i]; {
		case c == '.':
			if label == 0 {
				return false
			}
			label = 0
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '~':
			label++
		default:
			return false
		}
	}
	return label > 0
}

// validPort takes an empty port: RFC 3986 lets the colon stand alone.
func validPort(port string) bool {
	if len(port) > 5 {
		return false
	}
	n := 0
	for i := range len(port) {
		if port[i] < '0' || port[i] > '9' {
			return false
		}
		n = 10*n + int(port[i]-'0')
	}
	return n <= 65535
}
