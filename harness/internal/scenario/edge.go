package scenario

import (
	"math"
	"regexp"
)

// Edge is a node in front of the balancer, and how far clients are from it.
// Without countries there is none. A stage with an edge is measured once for
// each country without it and once with it.
type Edge struct {
	Vars      map[string]string // of the Worker
	Origin    Link              // between the edge and the balancer
	Countries []Country
}

// Country is a group of clients at one distance.
type Country struct {
	Name      string
	Code      string  // ISO 3166-1, as the edge sees it
	Share     float64 // of the open attack's rate; those of all countries make 1
	Direct    Link    // to the balancer, where there is no edge
	Near      Link    // to the edge
	Published *CountryPublished
}

// CountryPublished are figures of a country from another source. Zero: not given.
type CountryPublished struct {
	DirectMs float64
	EdgeMs   float64
	HitRatio float64
}

var (
	codePattern = regexp.MustCompile(`^[A-Z]{2}$`)
	varPattern  = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)
)

func (d *decoder) edge(path string, n *node, out *Edge) {
	d.object(path, n, fields{
		"vars": d.each(func(p, key string, n *node) {
			if d.describe(Field{Kind: kindScalar, Allowed: wantScalar}) {
				return
			}
			v, ok := n.scalar()
			switch {
			case !varPattern.MatchString(key):
				d.wrong(n, p, "the name %q is not allowed: want capitals, digits and underscores", key)
			case !ok:
				d.refuse(n, p, wantScalar)
			default:
				if out.Vars == nil {
					out.Vars = map[string]string{}
				}
				out.Vars[key] = v
			}
		}),
		"origin":    func(p string, n *node) { out.Origin = d.link(p, n) },
		"countries": d.items(func(p string, n *node) { d.country(p, n, out) }),
	})
	d.require(path, n, "origin", "countries")
	sum := 0.0
	for _, c := range out.Countries {
		sum += c.Share
	}
	if c := n.field("countries"); c != nil && !d.partial && c.kind == list && math.Abs(sum-1) > 1e-6 {
		d.wrong(c, join(path, "countries"), "shares that sum up to %v are not allowed: want 1", sum)
	}
}

func (d *decoder) country(path string, n *node, out *Edge) {
	c := Country{}
	d.object(path, n, fields{
		"name":   d.match(&c.Name, namePattern, wantName),
		"code":   d.match(&c.Code, codePattern, "two capitals, as in CN"),
		"share":  d.number(&c.Share, 1),
		"direct": func(p string, n *node) { c.Direct = d.link(p, n) },
		"near":   func(p string, n *node) { c.Near = d.link(p, n) },
		"published": func(p string, n *node) {
			c.Published = &CountryPublished{}
			d.object(p, n, fields{
				"direct_ms": d.number(&c.Published.DirectMs, 1e9),
				"edge_ms":   d.number(&c.Published.EdgeMs, 1e9),
				"hit_ratio": d.number(&c.Published.HitRatio, 1),
			})
		},
	})
	d.require(path, n, "name", "code", "share", "direct", "near")
	for _, o := range out.Countries {
		if c.Name != "" && o.Name == c.Name {
			d.refuse(n.field("name"), join(path, "name"), "a name that no other country has")
		}
		if c.Code != "" && o.Code == c.Code {
			d.refuse(n.field("code"), join(path, "code"), "a code that no other country has")
		}
	}
	out.Countries = append(out.Countries, c)
}

// checkEdge: an edge is measured at one rate with and without it, so the rate
// must be given and not found.
func (d *decoder) checkEdge(n *node, s *Stage) {
	e := n.field("edge")
	if e == nil || len(s.Edge.Countries) == 0 {
		return
	}
	if s.Load.Open.Rate == 0 || s.Load.Open.Duration == 0 || s.Load.Closed.Connections > 0 {
		d.wrong(e, "edge", "an edge wants an open attack with a rate, and no closed one")
	}
	if s.Load.Open.Shaped() {
		d.wrong(e, "edge", "a shape and poisson arrivals are not allowed beside an edge: its countries are compared at one rate")
	}
	if len(s.Faults) > 0 {
		d.wrong(e, "edge", "faults are not allowed beside an edge")
	}
}
