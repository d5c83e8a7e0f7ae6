package settings

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// list is a list of IP addresses or CIDR blocks.
func list(name string, p *[]string, def, help string) *Setting {
	s := newSetting(name, p, nil, help, "IP addresses or CIDR blocks, separated by commas", func(v string) ([]string, error) {
		var out []string
		for item := range strings.SplitSeq(v, ",") {
			if item = strings.TrimSpace(item); item == "" {
				continue
			}
			if _, err := netip.ParsePrefix(item); err != nil {
				if _, err := netip.ParseAddr(item); err != nil {
					return nil, err
				}
			}
			out = append(out, item)
		}
		return out, nil
	}, func(l []string) string { return strings.Join(l, ",") })
	s.def = def
	return s
}

// names is a list of words that check accepts.
func names(name string, p *[]string, allowed, help string, check func(string) error) *Setting {
	return newSetting(name, p, nil, help, allowed, func(v string) ([]string, error) {
		var out []string
		for item := range strings.SplitSeq(v, ",") {
			if item = strings.TrimSpace(item); item == "" {
				continue
			}
			if err := check(item); err != nil {
				return nil, err
			}
			out = append(out, item)
		}
		return out, nil
	}, func(l []string) string { return strings.Join(l, ",") })
}

// statuses is a list of HTTP statuses, or off.
func statuses(name string, p *[]int, def []int, help string) *Setting {
	return newSetting(name, p, def, help, "HTTP statuses from 500 to 599, separated by commas, or off", func(v string) ([]int, error) {
		out := []int{}
		if v == "off" {
			return out, nil
		}
		for item := range strings.SplitSeq(v, ",") {
			n, err := strconv.Atoi(strings.TrimSpace(item))
			if err != nil || n < 500 || n > 599 {
				return nil, errNotAllowed
			}
			out = append(out, n)
		}
		return out, nil
	}, func(list []int) string {
		if len(list) == 0 {
			return "off"
		}
		texts := make([]string, len(list))
		for i, n := range list {
			texts[i] = strconv.Itoa(n)
		}
		return strings.Join(texts, ",")
	})
}

// recordTypes is an order of DNS records, as Kong's dns_order has it.
func recordTypes(name string, p *[]string, def []string, help string) *Setting {
	const allowed = "LAST, A, AAAA, SRV and CNAME, each at most once, separated by commas"
	return newSetting(name, p, def, help, allowed, func(v string) ([]string, error) {
		var out []string
		for item := range strings.SplitSeq(v, ",") {
			item = strings.ToUpper(strings.TrimSpace(item))
			if !slices.Contains([]string{"LAST", "A", "AAAA", "SRV", "CNAME"}, item) || slices.Contains(out, item) {
				return nil, errNotAllowed
			}
			out = append(out, item)
		}
		if !slices.ContainsFunc(out, func(t string) bool { return t != "LAST" && t != "CNAME" }) {
			return nil, errNotAllowed // nothing would be asked for
		}
		return out, nil
	}, func(all []string) string { return strings.Join(all, ",") })
}

// servers are addresses of name servers, with or without a port.
func servers(name string, p *[]string, help string) *Setting {
	const allowed = "IP addresses, with ports where they are not 53, separated by commas"
	return newSetting(name, p, nil, help, allowed, func(v string) ([]string, error) {
		var out []string
		for item := range strings.SplitSeq(v, ",") {
			if item = strings.TrimSpace(item); item == "" {
				continue
			}
			if addr, err := netip.ParseAddr(strings.Trim(item, "[]")); err == nil {
				item = netip.AddrPortFrom(addr, 53).String()
			}
			if to, err := netip.ParseAddrPort(item); err != nil || to.Port() == 0 {
				return nil, errNotAllowed
			}
			out = append(out, item)
		}
		return out, nil
	}, func(all []string) string { return strings.Join(all, ",") })
}
