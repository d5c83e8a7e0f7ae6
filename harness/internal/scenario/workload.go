package scenario

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	methodPattern = regexp.MustCompile(`^[A-Z]{3,10}$`)
	pathPattern   = regexp.MustCompile(`^/[^\s#]*$`)
	headerPattern = regexp.MustCompile(`^[A-Za-z0-9-]+$`)
)

func (d *decoder) workload(path string, n *node, out *Workload) {
	d.object(path, n, fields{
		"consumers": d.items(func(p string, n *node) { d.consumers(p, n, out) }),
		"requests":  d.items(func(p string, n *node) { d.request(p, n, out) }),
	})
	if d.partial {
		return
	}
	d.require(path, n, "requests")
	if r := n.field("requests"); r != nil && r.kind == list && len(r.items) == 0 {
		d.wrong(r, join(path, "requests"), "an empty list is not allowed: want one request or more")
	}
	d.checkGroups(path, n, out)
}

func (d *decoder) consumers(path string, n *node, out *Workload) {
	g := ConsumerGroup{Count: 1, Weight: 1}
	d.object(path, n, fields{
		"name":   d.match(&g.Name, namePattern, wantName),
		"count":  d.whole(&g.Count, 1, 10_000),
		"weight": d.number(&g.Weight, 1e9),
	})
	d.require(path, n, "name")
	if g.Name != "" && slices.ContainsFunc(out.Consumers, func(o ConsumerGroup) bool { return o.Name == g.Name }) {
		d.refuse(n.field("name"), join(path, "name"), "a name that no other group has")
	}
	out.Consumers = append(out.Consumers, g)
}

func (d *decoder) request(path string, n *node, out *Workload) {
	r := Request{Method: "GET", Weight: 1, Expect: []int{200}}
	d.object(path, n, fields{
		"name":    d.match(&r.Name, namePattern, wantName),
		"method":  d.match(&r.Method, methodPattern, "a method in capitals, as in GET"),
		"path":    d.match(&r.Path, pathPattern, "a path from /, without blanks"),
		"body":    d.words(&r.Body),
		"headers": d.each(func(p, key string, n *node) { d.header(p, key, n, &r) }),
		"weight":  d.number(&r.Weight, 1e9),
		"ids":     d.whole(&r.IDs, 0, 1_000_000),
		"zipf":    d.number(&r.Zipf, 10),
		"consumers": d.items(func(p string, n *node) {
			var name string
			d.words(&name)(p, n)
			r.Consumers = append(r.Consumers, name)
		}),
		"expect": func(p string, n *node) {
			r.Expect = nil
			d.items(func(p string, n *node) {
				var status int
				d.whole(&status, 100, 599)(p, n)
				r.Expect = append(r.Expect, status)
			})(p, n)
		},
		"limited_ok": d.yes(&r.LimitedOK),
	})
	d.require(path, n, "name", "path")
	d.checkRequest(path, n, r, out)
	out.Requests = append(out.Requests, r)
}

func (d *decoder) header(path, key string, n *node, r *Request) {
	if d.describe(Field{Kind: kindScalar, Allowed: "one line of text"}) {
		return
	}
	v, ok := n.scalar()
	switch {
	case !headerPattern.MatchString(key):
		d.wrong(n, path, "the name %q is not allowed: want letters, digits and dashes", key)
		return
	case !ok || strings.ContainsAny(v, "\r\n"):
		d.refuse(n, path, "one line of text")
		return
	}
	if r.Headers == nil {
		r.Headers = map[string]string{}
	}
	r.Headers[key] = v
}

func (d *decoder) checkRequest(path string, n *node, r Request, out *Workload) {
	if r.Name != "" && slices.ContainsFunc(out.Requests, func(o Request) bool { return o.Name == r.Name }) {
		d.refuse(n.field("name"), join(path, "name"), "a name that no other request has")
	}
	drawn := strings.Contains(r.Path, "{id}")
	switch {
	case drawn && r.IDs == 0:
		d.refuse(n.field("path"), join(path, "path"), "ids of 1 or more beside it, from which {id} is drawn")
	case !drawn && r.IDs > 0 && r.Path != "" && !strings.Contains(r.Body, "{id}"):
		d.refuse(n.field("ids"), join(path, "ids"), "{id} in the path or the body, where they are put")
	}
	if r.Zipf != 0 && r.IDs == 0 {
		d.refuse(n.field("zipf"), join(path, "zipf"), "ids of 1 or more beside it")
	}
}

// checkGroups checks that requests are sent by groups there are, and that some
// request has a weight.
func (d *decoder) checkGroups(path string, n *node, w *Workload) {
	names := make([]string, len(w.Consumers))
	for i, g := range w.Consumers {
		names[i] = g.Name
	}
	total := 0.0
	for i, r := range w.Requests {
		total += r.Weight
		for j, c := range r.Consumers {
			if !slices.Contains(names, c) {
				at := n.field("requests").items[i].field("consumers").items[j]
				d.refuse(at, fmt.Sprintf("%s.requests[%d].consumers[%d]", path, i, j), "one of the groups: "+orNone(names))
			}
		}
	}
	if len(w.Requests) > 0 && total == 0 {
		d.wrong(n.field("requests"), join(path, "requests"), "no weight above 0: want one or more")
	}
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none are given"
	}
	return strings.Join(names, ", ")
}

func (d *decoder) attacks(path string, n *node, out *Attacks) {
	timeout := func(v *time.Duration) target { return d.duration(v, time.Millisecond, 5*time.Minute) }
	d.object(path, n, fields{
		"closed": func(p string, n *node) {
			c := &out.Closed
			d.object(p, n, fields{
				"connections": d.whole(&c.Connections, 0, 20_000),
				"warmup":      d.duration(&c.Warmup, 0, hour),
				"duration":    d.duration(&c.Duration, time.Second, hour),
				"timeout":     timeout(&c.Timeout),
			})
			d.require(p, n, "connections", "duration")
		},
		"open": func(p string, n *node) {
			o := &out.Open
			d.object(p, n, fields{
				"share":       d.number(&o.Share, 1),
				"max_rate":    d.number(&o.MaxRate, 1e6),
				"rate":        d.number(&o.Rate, 200_000),
				"connections": d.whole(&o.Connections, 0, 20_000),
				"warmup":      d.duration(&o.Warmup, 0, hour),
				"duration":    d.duration(&o.Duration, time.Second, hour),
				"timeout":     timeout(&o.Timeout),
				"arrivals":    d.choice(&o.Arrivals, ArrivalsEven, ArrivalsPoisson),
				"shape":       d.items(func(p string, n *node) { d.segment(p, n, o) }),
			})
			d.require(p, n, "duration")
		},
		"probe": func(p string, n *node) {
			d.object(p, n, fields{
				"rate":        d.number(&out.Probe.Rate, 10_000),
				"post_rate":   d.number(&out.Probe.PostRate, 10_000),
				"direct_rate": d.number(&out.Probe.DirectRate, 10_000),
				"timeout":     timeout(&out.Probe.Timeout),
			})
			d.require(p, n, "rate")
		},
	})
}
