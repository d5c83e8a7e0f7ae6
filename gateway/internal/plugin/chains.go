package plugin

import (
	"fmt"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Chains makes the chains of a configuration. Each configured plugin is made
// once and shared by the routes that it applies to.
type Chains struct {
	names     []string              // in the order in which they run
	byName    map[string]candidates // of each plugin name
	made      map[string][]Plugin   // of each plugin name
	resources Resources
	maxBody   int
	asks      bool // a plugin asks for client certificates
}

// candidates are the configurations of one plugin, by what they are tied to,
// so that a route looks only at those that may fit it.
type candidates struct {
	byRoute   map[string][]candidate
	byService map[string][]candidate // without a route
	others    []candidate            // without either
}

type candidate struct {
	entity *entity.Plugin
	phases *phases
}

func (c *candidates) add(p candidate) {
	switch e := p.entity; {
	case e.Route != nil:
		if c.byRoute == nil {
			c.byRoute = map[string][]candidate{}
		}
		c.byRoute[e.Route.ID] = append(c.byRoute[e.Route.ID], p)
	case e.Service != nil:
		if c.byService == nil {
			c.byService = map[string][]candidate{}
		}
		c.byService[e.Service.ID] = append(c.byService[e.Service.ID], p)
	default:
		c.others = append(c.others, p)
	}
}

// NewChains makes every enabled plugin. The error names the plugin that cannot
// be made and why.
func NewChains(cfg *entity.Config, d *Deps) (*Chains, error) {
	c := &Chains{byName: map[string]candidates{}, made: map[string][]Plugin{}, maxBody: d.maxBodyBytes()}
	for i := range cfg.Plugins {
		e := &cfg.Plugins[i]
		if !e.Enabled {
			continue
		}
		p, err := d.Plugins.newPlugin(e, d)
		if err != nil {
			return nil, fmt.Errorf("plugin %s (%s): %w", e.Name, e.ID, err)
		}
		f := phasesOf(p)
		if f.none() {
			return nil, fmt.Errorf("plugin %s (%s): it implements no phase", e.Name, e.ID)
		}
		if _, ok := p.(CertificateAsker); ok {
			c.asks = true
		}
		if u, ok := p.(ResourceUser); ok {
			u.AddResources(&c.resources)
		}
		of := c.byName[e.Name]
		of.add(candidate{e, &f})
		c.byName[e.Name] = of
		c.made[e.Name] = append(c.made[e.Name], p)
	}
	if d.Plugins == nil {
		return c, nil
	}
	for _, definition := range d.Plugins.ordered {
		if _, ok := c.byName[definition.Name]; ok {
			c.names = append(c.names, definition.Name)
		}
	}
	return c, nil
}

// AskCertificate tells whether a plugin asks for client certificates.
func (c *Chains) AskCertificate() bool { return c.asks }

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
	chain := &Chain{maxBody: c.maxBody}
	for _, name := range c.names {
		if s, ok := c.step(name, r); ok {
			chain.add(s)
		}
	}
	return chain
}

// step picks, for all consumers and for each consumer with a configuration of
// their own, the most specific configuration of a plugin that fits the route.
func (c *Chains) step(name string, r *entity.Route) (step, bool) {
	of := c.byName[name]
	pick := selection{own: map[string]int{}, best: -1}
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
	return s, s.base != nil || s.consumer != nil
}

// selection is a step that is being made.
type selection struct {
	step step
	best int            // rank of step.base
	own  map[string]int // ranks of step.consumer
}

func (k *selection) from(list []candidate, r *entity.Route) {
	for _, p := range list {
		e := p.entity
		if !fits(e, r) {
			continue
		}
		rank := specificity(e)
		if e.Consumer == nil {
			if rank > k.best {
				k.best, k.step.base = rank, p.phases
			}
			continue
		}
		if had, ok := k.own[e.Consumer.ID]; !ok || rank > had {
			if k.step.consumer == nil {
				k.step.consumer = map[string]*phases{}
			}
			k.own[e.Consumer.ID], k.step.consumer[e.Consumer.ID] = rank, p.phases
		}
	}
}

func fits(p *entity.Plugin, r *entity.Route) bool {
	if p.Route != nil && p.Route.ID != r.ID {
		return false
	}
	return p.Service == nil || r.Service != nil && p.Service.ID == r.Service.ID
}
