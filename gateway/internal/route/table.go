package route

import (
	"fmt"
	"slices"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/regex"
)

// Request is what a route is chosen by. The strings may be views of buffers
// that are reused later: a Match keeps nothing of them but Prefix, which is a
// part of Path when the path was a regular expression.
type Request struct {
	Method string // upper case, as received
	Host   string // Host header as received, with its port if it had one
	Path   string // normalised (see Normalize), without the query
	Scheme string // "http" or "https"
	SNI    string // server name of the TLS handshake, "" without TLS

	// Header answers the values of a request header; name is lower case. It
	// is asked only when a route has header criteria. Nil means no headers.
	Header func(name string) []string

	work regex.Work // of all regular expressions
}

// Exhausted says that Match found nothing because the regular expressions
// would have taken longer than a request may.
func (r *Request) Exhausted() bool { return r.work.Exhausted() }

// Match is the route a request belongs to.
type Match struct {
	Index  int           // slot of the route: after New its position in the slice
	Route  *entity.Route // the same route
	Prefix string        // part of the path that the route's path took; "" when the route has no paths

	// UpgradeStatus is not 0 when the route takes https only and the request
	// came over http: 426 asks for "Upgrade: TLS/1.2, HTTP/1.1", 301, 302,
	// 307 and 308 redirect to the same URL over https.
	UpgradeStatus int

	expr *pattern // of the path, nil for a prefix
}

// Capture is what a group of the path's regular expression took of path, the
// request's: by the group's name or number, "" when there is no such group.
func (m *Match) Capture(path, group string) string {
	if m.expr == nil {
		return ""
	}
	return m.expr.capture(path, group)
}

// Table finds routes. The zero value has none.
type Table struct {
	routes []*entity.Route
	at     []int32    // slot of each route
	slots  [][]*entry // of each slot; none: it is free, or its route takes no HTTP
	free   []int      // slots
	sorted []*entry   // by order

	plain  hostMap // by whole host name
	suffix hostMap // by ".example.com", from hosts like *.example.com
	prefix hostMap // by "example.", from hosts like example.*
	any    tree    // routes that take every host
}

// New builds a table. It keeps routes and expects that they do not change.
// Routes that take neither http nor https (tcp, tls, udp) are left out. The
// error names the first route that cannot be used, and why.
func New(routes []*entity.Route) (*Table, error) {
	t := &Table{
		routes: routes, at: make([]int32, len(routes)), slots: make([][]*entry, len(routes)),
		plain: hostMap{}, suffix: hostMap{}, prefix: hostMap{},
	}
	count := 0
	for i := range routes {
		count += max(1, len(routes[i].Paths))
	}
	made := make([]entry, 0, count) // in one piece: a table of ten thousand routes
	ends := make([]int, len(routes))
	for i := range routes {
		var err error
		if made, err = appendEntries(made, routes[i], i); err != nil {
			return nil, fmt.Errorf("route %s: %w", label(routes[i]), err)
		}
		ends[i] = len(made)
	}
	entries := make([]*entry, len(made))
	for i := range made {
		entries[i] = &made[i]
	}
	begin := 0
	for i, end := range ends {
		t.at[i] = int32(i) //nolint:gosec // as many as there are routes
		t.slots[i] = entries[begin:end:end]
		begin = end
	}
	t.sorted = slices.Clone(entries)
	slices.SortStableFunc(t.sorted, compareEntries)
	for i, e := range t.sorted {
		e.order = int64(i+1) * orderStep
		t.index(e)
	}
	return t, nil
}

// label names a route for a message: by name where it has one.
func label(r *entity.Route) string {
	if r.Name != "" {
		return r.Name
	}
	return r.ID
}

// index puts an entry into the tree of each of its hosts. Entries come in
// order, so every list in every tree is ordered too.
func (t *Table) index(e *entry) {
	if len(e.hosts) == 0 {
		t.any.insert(e)
		return
	}
	for _, h := range e.hosts {
		switch h.kind {
		case hostPlain:
			t.plain.insert(h, e)
		case hostSuffix:
			t.suffix.insert(h, e)
		case hostPrefix:
			t.prefix.insert(h, e)
		}
	}
}

// Len is how many routes the table was built from.
func (t *Table) Len() int { return len(t.routes) }

// Slots is how many slots there are: every Index of a Match is below it.
func (t *Table) Slots() int { return len(t.slots) }

// Slot returns the slot of a route by its position in the list that the table was
// made from.
func (t *Table) Slot(position int) int { return int(t.at[position]) }

// Route returns the route of a slot; nil: the slot is free, or the route takes no HTTP.
func (t *Table) Route(slot int) *entity.Route {
	if len(t.slots[slot]) == 0 {
		return nil
	}
	return t.slots[slot][0].route
}

// Match finds the request's route; false means none. It does not allocate
// unless a header criterion or a regular expression is involved, or the Host
// has upper-case letters.
func (t *Table) Match(req *Request) (Match, bool) {
	s := search{req: req}
	if len(t.plain)+len(t.suffix)+len(t.prefix) > 0 {
		t.searchHosts(&s)
	}
	s.walk(&t.any)
	// A route that could not be ruled out may be the one that asks for a key:
	// nothing less fitting is found in its place.
	if s.best == nil || req.Exhausted() {
		return Match{}, false
	}
	e := s.best
	m := Match{Index: e.index, Route: e.route, Prefix: e.path}
	if e.regex != nil {
		m.Prefix, m.expr = req.Path[:s.taken], e.regex
	}
	if e.httpsOnly && req.Scheme != "https" {
		if m.UpgradeStatus = e.route.HTTPSRedirectStatusCode; m.UpgradeStatus == 0 {
			m.UpgradeStatus = 426
		}
	}
	return m, true
}

// maxHostName is how long a DNS name may be; a longer Host is not searched for
// wildcards, dot by dot.
const maxHostName = 255

// searchHosts looks at the routes of the request's own host, then at those of
// every wildcard that could cover it.
func (t *Table) searchHosts(s *search) {
	name, port := splitHost(s.req.Host, s.req.Scheme)
	t.plain.search(s, name, port)
	if len(t.suffix)+len(t.prefix) == 0 || len(name) > maxHostName {
		return
	}
	for i := 1; i < len(name); i++ {
		if name[i] != '.' {
			continue
		}
		t.suffix.search(s, name[i:], port)
		if i+1 < len(name) {
			t.prefix.search(s, name[:i+1], port)
		}
	}
}

// search is one match under way: the best entry so far.
type search struct {
	req   *Request
	best  *entry
	taken int // how much of the path best's regular expression took
}

// walk looks for better entries in one host's tree: at the root, which holds
// routes without paths, and at every node whose path begins the request's.
func (s *search) walk(t *tree) {
	n, rest := &t.root, s.req.Path
	for n != nil {
		if s.best != nil && n.first >= s.best.order {
			return // nothing in or below this node is better
		}
		s.try(n.entries)
		n, rest = n.next(rest)
	}
}

// try takes the first of the ordered entries that matches and is better than
// what the search has.
func (s *search) try(entries []*entry) {
	for _, e := range entries {
		if s.best != nil && e.order >= s.best.order {
			return
		}
		if taken, ok := e.matches(s.req); ok {
			s.best, s.taken = e, taken
			return
		}
	}
}
