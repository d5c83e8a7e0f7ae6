package scenario

import (
	"regexp"
	"time"
)

// hour is longer than any attack, pause or fault should last.
const hour = time.Hour

var (
	namePattern    = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	settingPattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

const wantScalar = "text, a number, true or false"

const wantName = "lower-case letters, digits and dashes, at most 63"

// defaults is a stage that a file says nothing about.
func defaults() Stage {
	return Stage{
		Rounds:   1,
		Seed:     1,
		Topology: Topology{Replicas: 1, Balancers: 1, Origins: 1, Workers: 1, Nodes: map[string]Node{}, Links: map[string]Link{}},
		Gateway:  map[string]string{},
		LB:       LB{Balance: "round_robin", MaxFails: 1, FailTimeout: 10 * time.Second},
		Origin:   Origin{Models: 100, BodyBytes: 1024},
		Entities: map[string]any{},
		Load: Attacks{
			Closed: Closed{Timeout: 10 * time.Second},
			Open:   Open{Timeout: 10 * time.Second, Arrivals: ArrivalsEven},
			Probe:  Probe{Timeout: time.Second},
		},
	}
}

// stage are the keys that the base, a stage and a profile may all have.
func (d *decoder) stage(s *Stage) fields {
	return fields{
		"seed":     d.seed(&s.Seed),
		"rounds":   d.whole(&s.Rounds, 1, 100),
		"topology": func(p string, n *node) { d.topology(p, n, &s.Topology) },
		"gateway":  d.each(func(p, key string, n *node) { d.setting(p, key, n, s.Gateway) }),
		"lb":       func(p string, n *node) { d.lb(p, n, &s.LB) },
		"origin":   func(p string, n *node) { d.origin(p, n, &s.Origin) },
		"entities": func(p string, n *node) { d.entities(p, n, s) },
		"workload": func(p string, n *node) { d.workload(p, n, &s.Workload) },
		"load":     func(p string, n *node) { d.attacks(p, n, &s.Load) },
		"edge":     func(p string, n *node) { d.edge(p, n, &s.Edge) },
		"faults":   d.items(func(p string, n *node) { s.Faults = append(s.Faults, d.fault(p, n, true)) }),
		"random":   func(p string, n *node) { d.random(p, n, &s.Random) },
		"writes":   func(p string, n *node) { d.object(p, n, fields{"rate": d.number(&s.Writes.Rate, 100)}) },
		"expect":   func(p string, n *node) { d.expect(p, n, &s.Expect) },
		"month":    func(p string, n *node) { d.month(p, n, &s.Month) },
		"slo":      d.objectives(&s.SLO),
		"soak":     func(p string, n *node) { d.soak(p, n, &s.Soak) },
	}
}

// resolve decodes a stage that is merged from all its overlays, and checks
// what concerns more than one value.
func (d *decoder) resolve(name, profile string, n *node) Stage {
	d.within = "stage " + name
	if profile != "" {
		d.within += ", profile " + profile
	}
	s := defaults()
	s.Name = name
	d.object("", n, d.stage(&s))
	if n.field("origin").field("seed") == nil {
		s.Origin.Seed = s.Seed
	}
	d.checkMissing(n)
	d.checkRegions(n, &s)
	d.checkLoad(n, &s)
	d.checkFaults(n, &s)
	d.checkLimit(n, &s)
	d.checkEdge(n, &s)
	d.checkObjectives(n, &s)
	d.checkSoak(n, &s)
	d.checkTracing(n, &s)
	return s
}

func (d *decoder) topology(path string, n *node, out *Topology) {
	d.object(path, n, fields{
		"replicas":  d.whole(&out.Replicas, 1, 9),
		"balancers": d.whole(&out.Balancers, 1, 2),
		"origins":   d.whole(&out.Origins, 1, 2),
		"workers":   d.whole(&out.Workers, 1, 9),
		"regions":   d.items(func(p string, n *node) { out.Regions = append(out.Regions, d.region(p, n)) }),
		"nodes": func(p string, n *node) {
			out.Nodes = make(map[string]Node, 8)
			f := fields{}
			for _, role := range nodeRoles {
				f[role] = func(p string, n *node) { out.Nodes[role] = d.node(p, n) }
			}
			d.object(p, n, f)
		},
		"links": func(p string, n *node) {
			out.Links = make(map[string]Link, 3)
			f := fields{}
			for _, far := range []string{"postgres", "redis", "origin", "gateway"} {
				f[far] = func(p string, n *node) { out.Links[far] = d.link(p, n) }
			}
			d.object(p, n, f)
		},
		"tracing": func(p string, n *node) { d.tracing(p, n, &out.Tracing) },
	})
}

func (d *decoder) node(path string, n *node) (out Node) {
	d.object(path, n, fields{
		"cpus": d.number(&out.CPUs, 256),
		"cores": d.items(func(path string, n *node) {
			var core int
			d.whole(&core, 0, 1023)(path, n)
			out.Cores = append(out.Cores, core)
		}),
		"memory": d.bytes(&out.Memory, 1<<40),
	})
	if out.Memory > 0 && out.Memory < 16<<20 {
		d.refuse(n.field("memory"), join(path, "memory"), "16MiB or more, or 0 for no limit")
	}
	return out
}

func (d *decoder) link(path string, n *node) (out Link) {
	d.object(path, n, fields{
		"latency": d.duration(&out.Latency, 0, 10*time.Second),
		"jitter":  d.duration(&out.Jitter, 0, 10*time.Second),
		"loss":    d.number(&out.Loss, 1),
	})
	if j := n.field("jitter"); j != nil && out.Jitter > out.Latency && !d.partial {
		d.refuse(j, join(path, "jitter"), "at most the latency, "+out.Latency.String())
	}
	return out
}

// setting takes any name: the gateway itself knows which ones it has.
func (d *decoder) setting(path, key string, n *node, out map[string]string) {
	if d.describe(Field{Kind: kindScalar, Allowed: wantScalar}) {
		return
	}
	v, ok := n.scalar()
	switch {
	case !settingPattern.MatchString(key):
		d.wrong(n, path, "the name %q is not allowed: want lower-case letters, digits and underscores", key)
	case !ok:
		d.refuse(n, path, wantScalar)
	default:
		out[key] = v
	}
}

func (d *decoder) lb(path string, n *node, out *LB) {
	d.object(path, n, fields{
		"balance":   d.choice(&out.Balance, "round_robin", "least_conn"),
		"keepalive": d.whole(&out.Keepalive, 0, 10000),
		"max_fails": d.whole(&out.MaxFails, 0, 1000),
		"fail_timeout": func(p string, n *node) {
			var v time.Duration
			d.duration(&v, 0, hour)(p, n)
			if v%time.Second != 0 { // nginx counts in seconds
				d.refuse(n, p, "whole seconds")
				return
			}
			out.FailTimeout = v
		},
		"retries":            d.yes(&out.Retries),
		"connect_timeout":    d.duration(&out.Connect, 10*time.Millisecond, time.Minute),
		"idempotent_timeout": d.duration(&out.Idempotent, 10*time.Millisecond, 10*time.Minute),
	})
}

func (d *decoder) origin(path string, n *node, out *Origin) {
	d.object(path, n, fields{
		"models":           d.whole(&out.Models, 1, 10_000_000),
		"latency":          func(p string, n *node) { d.latency(p, n, &out.Latency) },
		"chat_latency":     func(p string, n *node) { d.latency(p, n, &out.ChatLatency) },
		"chat_concurrency": d.whole(&out.ChatConcurrency, 0, 1_000_000),
		"first_token":      d.duration(&out.FirstToken, 0, 5*time.Minute),
		"token_rate":       d.number(&out.TokenRate, 100_000),
		"break_rate":       d.number(&out.BreakRate, 1),
		"error_rate":       d.number(&out.ErrorRate, 1),
		"body_bytes":       d.whole(&out.BodyBytes, 64, 16<<20),
		"cache_max_age": func(p string, n *node) {
			var v time.Duration
			d.duration(&v, 0, 8760*hour)(p, n)
			if v%time.Second != 0 { // the header counts in seconds
				d.refuse(n, p, "whole seconds")
				return
			}
			out.CacheMaxAge = v
		},
		"seed": d.seed(&out.Seed),
	})
	if p := n.field("first_token"); p != nil && out.FirstToken > 0 && out.TokenRate == 0 && !d.partial {
		d.refuse(p, join(path, "first_token"), "0, or a token_rate beside it")
	}
}

func (d *decoder) latency(path string, n *node, out *Latency) {
	d.object(path, n, fields{
		"median": d.duration(&out.Median, 0, 5*time.Minute),
		"p99":    d.duration(&out.P99, 0, 5*time.Minute),
	})
	d.require(path, n, "median", "p99")
	if p := n.field("p99"); p != nil && out.P99 < out.Median && !d.partial {
		d.refuse(p, join(path, "p99"), "at least the median, "+out.Median.String())
	}
}

// entities are Kong's: their own keys are checked by the Admin API, which
// knows them.
func (d *decoder) entities(path string, n *node, s *Stage) {
	f := fields{}
	for _, key := range []string{"services", "consumers", "plugins", "upstreams"} {
		id := identity(key)
		f[key] = d.items(func(p string, n *node) {
			if d.describe(Field{Kind: kindEntity, Allowed: "a map with " + id, required: []string{id}}) {
				return
			}
			if n.kind != mapping {
				d.refuse(n, p, "a map")
				return
			}
			if _, ok := nameOf(n, id); !ok {
				d.wrong(n, join(p, id), "is missing")
			}
		})
	}
	d.object(path, n, f)
	if m, ok := n.plain().(map[string]any); ok {
		s.Entities = m
	}
}
