package entity

import (
	"net/netip"
	"strconv"
	"strings"
)

// The longest host name and label that DNS has.
const (
	maxHost  = 253
	maxLabel = 63
)

// matchHost takes a name, with or without the dot of the root, or an address;
// IPv6 with or without brackets.
func matchHost(s string) string {
	if isAddress(s) || isHostName(s) {
		return ""
	}
	if host, port := cutHostPort(s); port != "" && (isAddress(host) || isHostName(host)) {
		return "must not have a port"
	}
	return "invalid value: " + s
}

func isAddress(s string) bool {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		return ok && err == nil && addr.Is6() && addr.Zone() == ""
	}
	addr, err := netip.ParseAddr(s)
	return err == nil && addr.Zone() == ""
}

func isHostName(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > maxHost {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if len(label) > maxLabel || !labelRE.MatchString(label) {
			return false
		}
	}
	return true
}

// cutHostPort cuts a port off; "" when there is none. A bare IPv6 address has
// none.
func cutHostPort(s string) (host, port string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.Count(s, ":") > 1 && !strings.HasSuffix(s[:i], "]") {
		return s, ""
	}
	return s[:i], s[i+1:]
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && len(s) <= 5
}

// matchHostPort takes a host with a port or without.
func matchHostPort(s string) string {
	host, port := cutHostPort(s)
	if host != s && !isPort(port) {
		return "invalid value: " + s + ": the port should be a number from 1 to 65535"
	}
	return matchHost(host)
}

// matchWildcard takes what matchHostPort takes, and names of which the first
// or the last label is *.
func matchWildcard(s string) string {
	if strings.Count(s, "*") > 1 {
		return "invalid wildcard: must have at most one wildcard"
	}
	host, _ := cutHostPort(s)
	switch rest, first := strings.CutPrefix(host, "*."); {
	case !strings.Contains(s, "*"):
		return matchHostPort(s)
	case first && isHostName(rest):
		return matchHostPort("x" + s[1:])
	case !first && !strings.HasSuffix(host, ".*"):
		return "invalid wildcard: must be placed at leftmost or rightmost label"
	case !first && isHostName(strings.TrimSuffix(host, ".*")):
		return matchHostPort(strings.Replace(s, "*", "x", 1))
	}
	return "invalid value: " + s
}

// matchSNI takes a name: clients send no address and no port there.
func matchSNI(s string) string {
	switch {
	case isAddress(s):
		return "must not be an IP"
	case isHostName(s):
		return ""
	}
	return matchHost(s)
}

// matchWildcardSNI takes what matchSNI takes, and wildcards.
func matchWildcardSNI(s string) string {
	switch strings.Count(s, "*") {
	case 0:
		return matchSNI(s)
	case 1:
		if s == "*" || strings.HasPrefix(s, "*.") || strings.HasSuffix(s, ".*") {
			return matchSNI(strings.Replace(s, "*", "x", 1))
		}
		return "wildcard must be leftmost or rightmost character"
	}
	return "only one wildcard must be specified"
}
