package plugin

import (
	"fmt"
	"sort"

	"gatelab/gateway/internal/entity"
)

// hooks are a plugin's three faces, asked for once.
type hooks struct {
	plugin   Plugin
	response ResponsePlugin // nil: none
	log      LogPlugin      // nil: none
}

func hooksOf(p Plugin) hooks {
	h := hooks{plugin: p}
	h.response, _ = p.(ResponsePlugin)
	h.log, _ = p.(LogPlugin)
	return h
}

// step is one plugin name's place in a chain: the configuration that applies
// to everybody, and those of single consumers.
type step struct {
	base     hooks            // base.plugin is nil where only some consumers have the plugin
	consumer map[string]hooks // by consumer id; nil where nobody has one of their own
}

// Chain is what the requests of one route pass, in Kong's order.
type Chain struct {
	steps []step
}

// Access runs the steps until one answers.
func (c *Chain) Access(x *Exchange) (answered bool) {
	for i := range c.steps {
		s := &c.steps[i]
		h := &s.base
		if s.consumer != nil && x.Consumer != nil {
			if own, ok := s.consumer[x.Consumer.ID]; ok {
				h = &own
			}
		}
		if h.plugin == nil {
			continue
		}
		if h.plugin.Access(x) {
			// The one that answers wrote its response whole: it is logged, but
			// not asked again.
			x.picked = append(x.picked, hooks{plugin: h.plugin, log: h.log})
			return true
		}
		x.picked = append(x.picked, *h)
	}
	return false
}

// ReadsBody tells whether a step may look into the request's body.
func (c *Chain) ReadsBody() bool {
	reads := func(h hooks) bool {
		r, ok := h.plugin.(BodyReader)
		return ok && r.ReadsBody()
	}
	for i := range c.steps {
		if reads(c.steps[i].base) {
			return true
		}
		for _, h := range c.steps[i].consumer {
			if reads(h) {
				return true
			}
		}
	}
	return false
}

// Authenticates tells whether a step for everybody asks who the client is.
func (c *Chain) Authenticates() bool {
	for i := range c.steps {
		if _, ok := c.steps[i].base.plugin.(Authenticator); ok {
			return true
		}
	}
	return false
}

// Response runs the response face of every step that let the request pass.
func (c *Chain) Response(x *Exchange) {
	for i := range x.picked {
		if r := x.picked[i].response; r != nil {
			r.Response(x)
		}
	}
}

// Log runs the log face of every step that was reached.
func (c *Chain) Log(x *Exchange) {
	for i := range x.picked {
		if l := x.picked[i].log; l != nil {
			l.Log(x)
		}
	}
}

// Chains makes the chains of a configuration. Each configured plugin is made
// once and shared by the routes that it applies to.
type Chains struct {
	names  []string              // in order of priority
	byName map[string]candidates // of each plugin name
	held   held
}

// candidates are the configurations of one plugin, by what they are tied to,
// so that a route looks only at those that may fit it.
type candidates struct {
	byRoute   map[string][]configured
	byService map[string][]configured // without a route
	others    []configured            // without either
}

type configured struct {
	entity *entity.Plugin
	hooks  hooks
}

func (c *candidates) add(p configured) {
	switch e := p.entity; {
	case e.Route != nil:
		if c.byRoute == nil {
			c.byRoute = map[string][]configured{}
		}
		c.byRoute[e.Route.ID] = append(c.byRoute[e.Route.ID], p)
	case e.Service != nil:
		if c.byService == nil {
			c.byService = map[string][]configured{}
		}
		c.byService[e.Service.ID] = append(c.byService[e.Service.ID], p)
	default:
		c.others = append(c.others, p)
	}
}

// NewChains makes every enabled plugin. The error names the plugin that cannot
// be made and why.
func NewChains(cfg *entity.Config, d *Deps) (*Chains, error) {
	c := &Chains{byName: map[string]candidates{}}
	entries := Entries()
	for i := range cfg.Plugins {
		p := &cfg.Plugins[i]
		if !p.Enabled {
			continue
		}
		e, ok := entries[p.Name]
		if !ok {
			return nil, fmt.Errorf("plugin %s (%s): this gateway does not have it", p.Name, p.ID)
		}
		made, err := e.New(p, d)
		if err != nil {
			return nil, fmt.Errorf("plugin %s (%s): %w", p.Name, p.ID, err)
		}
		if h, ok := made.(holder); ok {
			h.hold(&c.held)
		}
		of, had := c.byName[p.Name]
		if !had {
			c.names = append(c.names, p.Name)
		}
		of.add(configured{p, hooksOf(made)})
		c.byName[p.Name] = of
	}
	sort.Slice(c.names, func(i, j int) bool {
		a, b := c.names[i], c.names[j]
		if pa, pb := entries[a].Priority, entries[b].Priority; pa != pb {
			return pa > pb
		}
		return a < b
	})
	return c, nil
}

// specificity orders a plugin's references as Kong does: consumer, route and
// service together first, then consumer and route, consumer and service, route
// and service, consumer, route, service, and last what applies everywhere.
func specificity(p *entity.Plugin) int {
	order := [8]int{} // bits: consumer 4, route 2, service 1
	for rank, bits := range []int{0, 1, 2, 4, 3, 5, 6, 7} {
		order[bits] = rank
	}
	bits := 0
	if p.Consumer != nil {
		bits |= 4
	}
	if p.Route != nil {
		bits |= 2
	}
	if p.Service != nil {
		bits |= 1
	}
	return order[bits]
}

// For is the chain of one route.
func (c *Chains) For(r *entity.Route) *Chain {
	chain := &Chain{}
	for _, name := range c.names {
		if s, ok := c.step(name, r); ok {
			chain.steps = append(chain.steps, s)
		}
	}
	return chain
}

// step picks, for everybody and for each consumer with a configuration of
// their own, the most specific configuration of a plugin that fits the route.
func (c *Chains) step(name string, r *entity.Route) (step, bool) {
	of := c.byName[name]
	pick := picking{own: map[string]int{}, best: -1}
	pick.from(of.others, r)
	if r.Service != nil {
		pick.from(of.byService[r.Service.ID], r)
	}
	pick.from(of.byRoute[r.ID], r)
	s := pick.step
	for id, rank := range pick.own {
		if rank < pick.best { // route and service together beat the consumer alone
			s.consumer[id] = s.base
		}
	}
	return s, s.base.plugin != nil || s.consumer != nil
}

// picking is a step that is being made.
type picking struct {
	step step
	best int            // rank of step.base
	own  map[string]int // ranks of step.consumer
}

func (k *picking) from(list []configured, r *entity.Route) {
	for _, p := range list {
		e := p.entity
		if !fits(e, r) {
			continue
		}
		rank := specificity(e)
		if e.Consumer == nil {
			if rank > k.best {
				k.best, k.step.base = rank, p.hooks
			}
			continue
		}
		if had, ok := k.own[e.Consumer.ID]; !ok || rank > had {
			if k.step.consumer == nil {
				k.step.consumer = map[string]hooks{}
			}
			k.own[e.Consumer.ID], k.step.consumer[e.Consumer.ID] = rank, p.hooks
		}
	}
}

func fits(p *entity.Plugin, r *entity.Route) bool {
	if p.Route != nil && p.Route.ID != r.ID {
		return false
	}
	return p.Service == nil || r.Service != nil && p.Service.ID == r.Service.ID
}
