package route

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

type hostKind int

const (
	hostPlain  hostKind = iota // name is the whole host name
	hostSuffix                 // name is ".example.com" of *.example.com
	hostPrefix                 // name is "example." of example.*
)

// host is one element of a route's hosts. Without a port it takes any.
type host struct {
	kind hostKind
	name string // lower case
	port string
}

func parseHost(s string) (host, error) {
	name, port := cutPort(strings.ToLower(s))
	name = canonicalAddress(strings.TrimSuffix(name, "."))
	h := host{kind: hostPlain, name: name, port: port}
	switch strings.Count(name, "*") {
	case 0:
	case 1:
		switch {
		case strings.HasPrefix(name, "*.") && len(name) > 2:
			h.kind, h.name = hostSuffix, name[1:]
		case strings.HasSuffix(name, ".*") && len(name) > 2:
			h.kind, h.name = hostPrefix, name[:len(name)-1]
		default:
			return h, errors.New("the wildcard must be the leftmost or rightmost label")
		}
	default:
		return h, errors.New("only one wildcard is allowed")
	}
	if h.name == "" {
		return h, errors.New("the name is empty")
	}
	return h, nil
}

// rankHosts says which place a route's hosts give it among routes with the
// same kinds of criteria: higher goes first. One wildcard makes a route a
// wildcard route.
func rankHosts(hosts []host) int {
	wildcard := false
	wildcardPort := false
	plainPort := false
	for _, h := range hosts {
		if h.kind == hostPlain {
			plainPort = plainPort || h.port != ""
			continue
		}
		wildcard = true
		wildcardPort = wildcardPort || h.port != ""
	}
	switch {
	case len(hosts) == 0 || wildcard && !wildcardPort:
		return 0
	case wildcard:
		return 1
	case !plainPort:
		return 2
	}
	return 3
}

// splitHost takes a Host header apart: the name in lower case, and the port,
// which is the scheme's own where none is given.
func splitHost(s, scheme string) (name, port string) {
	name, port = cutPort(s)
	if port == "" {
		port = "80"
		if scheme == "https" {
			port = "443"
		}
	}
	return canonicalAddress(strings.ToLower(name)), port
}

// canonicalAddress gives an IPv6 address in the one form that compares equal
// however it was written; anything else is returned as it is.
func canonicalAddress(name string) string {
	if strings.IndexByte(name, ':') < 0 {
		return name
	}
	addr, err := netip.ParseAddr(name)
	if err != nil {
		return name
	}
	var buf [64]byte
	if text := addr.AppendTo(buf[:0]); string(text) != name {
		return string(text)
	}
	return name
}

// cutPort cuts a decimal port and the brackets of an IPv6 address off. What
// cannot be understood stays a name as it is.
func cutPort(s string) (name, port string) {
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return s, ""
		}
		rest := s[end+1:]
		if rest == "" || rest == ":" {
			return s[1:end], ""
		}
		if rest[0] == ':' && decimal(rest[1:]) {
			return s[1:end], rest[1:]
		}
		return s, ""
	}
	i := strings.IndexByte(s, ':')
	if i < 0 || !decimal(s[i+1:]) {
		return s, ""
	}
	return s[:i], s[i+1:]
}

func decimal(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// hostMap holds the trees of hosts by name, for each name a tree for every
// port that routes ask for; port "" is any.
type hostMap map[string][]portTree

type portTree struct {
	port string
	tree *tree
}

func (m hostMap) insert(h host, e *entry) {
	for _, pt := range m[h.name] {
		if pt.port == h.port {
			pt.tree.insert(e)
			return
		}
	}
	t := &tree{}
	t.insert(e)
	m[h.name] = append(m[h.name], portTree{h.port, t})
}

// change returns a copy of the map with another root in the place of that of a host's
// tree. A tree without entries is dropped.
func (m hostMap) change(h host, change func(root *node) *node) hostMap {
	out := maps.Clone(m)
	list := slices.Clone(m[h.name])
	i := slices.IndexFunc(list, func(pt portTree) bool { return pt.port == h.port })
	if i < 0 {
		i = len(list)
		list = append(list, portTree{h.port, &tree{}})
	}
	root := change(&list[i].tree.root)
	list[i].tree = &tree{root: *root, begun: true}
	if len(root.entries)+len(root.children) == 0 {
		list = slices.Delete(list, i, i+1)
	}
	if out[h.name] = list; len(list) == 0 {
		delete(out, h.name)
	}
	return out
}

func (m hostMap) search(s *search, name, port string) {
	for _, pt := range m[name] {
		if pt.port == "" || pt.port == port {
			s.walk(pt.tree)
		}
	}
}
