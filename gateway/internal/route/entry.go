package route

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// The kinds of criteria, the most important in the highest bit: of two routes
// with equally many kinds, the larger number wins.
const (
	kindSNI = 1 << iota
	kindMethod
	kindPath
	kindHeader
	kindHost
)

// entry is one route with one of its paths, or with none.
type entry struct {
	route *entity.Route
	index int   // slot of the route
	order int64 // place among all entries; the lowest that matches wins

	kinds    int // bits of kind*
	hosts    []host
	hostRank int
	headers  []header
	path     string   // the prefix, "" for none or a regular expression
	regex    *pattern // the path's regular expression, nil for none
	methods  []string // upper case
	snis     []string // lower case, without the last dot

	httpsOnly bool
}

// key is what begins every path that the entry matches.
func (e *entry) key() string {
	if e.regex != nil {
		return e.regex.literal
	}
	return e.path
}

// appendEntries appends a route's entries: one per path, or one without a path.
func appendEntries(entries []entry, r *entity.Route, index int) ([]entry, error) {
	plaintext, tls := schemes(r.Protocols)
	if !plaintext && !tls {
		return entries, nil
	}
	base := entry{route: r, index: index, httpsOnly: !plaintext}
	if err := base.addCriteria(r); err != nil {
		return nil, err
	}
	if len(r.Paths) == 0 {
		if base.kinds == 0 {
			return nil, errors.New("needs at least one of hosts, headers, paths, methods, snis")
		}
		return append(entries, base), nil
	}
	base.kinds |= kindPath
	for _, p := range r.Paths {
		e := base
		if expr, ok := strings.CutPrefix(p, "~"); ok {
			re, err := compile(expr)
			if err != nil {
				return nil, fmt.Errorf("path %q: %w", p, err)
			}
			e.regex = re
		} else if e.path = Normalize(p); e.path == "" || e.path[0] != '/' {
			return nil, fmt.Errorf("path %q: should start with /", p)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// schemes says what a route's protocols mean for HTTP. A route without
// protocols takes both.
func schemes(protocols []string) (plaintext, tls bool) {
	for _, p := range protocols {
		switch p {
		case "http", "grpc", "ws":
			plaintext = true
		case "https", "grpcs", "wss":
			tls = true
		}
	}
	if len(protocols) == 0 {
		return true, true
	}
	return plaintext, tls
}

// addCriteria takes over everything but the paths.
func (e *entry) addCriteria(r *entity.Route) error {
	for _, h := range r.Hosts {
		parsed, err := parseHost(h)
		if err != nil {
			return fmt.Errorf("host %q: %w", h, err)
		}
		e.hosts = append(e.hosts, parsed)
	}
	e.hostRank = rankHosts(e.hosts)
	for name, values := range r.Headers {
		h, err := newHeader(name, values)
		if err != nil {
			return fmt.Errorf("header %q: %w", name, err)
		}
		if h.name != "host" { // the host has a criterion of its own
			e.headers = append(e.headers, h)
		}
	}
	for _, m := range r.Methods {
		e.methods = append(e.methods, strings.ToUpper(m))
	}
	for _, s := range r.SNIs {
		e.snis = append(e.snis, strings.TrimSuffix(strings.ToLower(s), "."))
	}
	e.kinds |= kindIf(kindHost, len(e.hosts)) | kindIf(kindHeader, len(e.headers)) | kindIf(kindMethod, len(e.methods)) |
		kindIf(kindSNI, len(e.snis))
	return nil
}

// kindIf is the kind where there are criteria of it.
func kindIf(kind, criteria int) int {
	if criteria > 0 {
		return kind
	}
	return 0
}

// compareEntries orders entries, the one to try first in front. The last two
// comparisons make the order the same on every replica; the sort is stable,
// so equal paths of one route keep the order they were given in.
func compareEntries(a, b *entry) int {
	byPriority := 0
	if a.regex != nil && b.regex != nil {
		byPriority = cmp.Compare(b.route.RegexPriority, a.route.RegexPriority)
	}
	return cmp.Or(
		cmp.Compare(bits.OnesCount(uint(b.kinds)), bits.OnesCount(uint(a.kinds))),
		cmp.Compare(b.kinds, a.kinds),
		cmp.Compare(b.hostRank, a.hostRank),
		-compareBool(a.regex != nil, b.regex != nil),
		cmp.Compare(len(b.headers), len(a.headers)),
		byPriority,
		cmp.Compare(len(b.path), len(a.path)),
		cmp.Compare(a.route.CreatedAt, b.route.CreatedAt),
		cmp.Compare(a.route.ID, b.route.ID),
		cmp.Compare(a.index, b.index),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// matches checks what the index has not: method, SNI, regular expression and
// headers, the cheap ones first. taken is how much of the path the regular
// expression took.
func (e *entry) matches(req *Request) (taken int, ok bool) {
	if len(e.methods) > 0 && !slices.Contains(e.methods, req.Method) {
		return 0, false
	}
	// Without TLS there is no SNI to compare: the route is then found by its
	// other criteria, so that it can answer with a redirect.
	if len(e.snis) > 0 && req.Scheme == "https" && !containsFold(e.snis, strings.TrimSuffix(req.SNI, ".")) {
		return 0, false
	}
	if e.regex != nil {
		if taken = e.regex.match(req.Path, &req.work); taken < 0 {
			return 0, false
		}
	}
	for i := range e.headers {
		if req.Header == nil || !e.headers[i].matches(req.Header(e.headers[i].name), &req.work) {
			return 0, false
		}
	}
	return taken, true
}

func containsFold(set []string, s string) bool {
	for _, v := range set {
		if strings.EqualFold(v, s) {
			return true
		}
	}
	return false
}
