package plugin

import (
	"maps"
	"slices"

	"github.com/gatelab/gatelab/gateway/internal/cache"
	"github.com/gatelab/gatelab/gateway/internal/limit"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logqueue"
	"github.com/gatelab/gatelab/gateway/internal/redisconn"
)

// Resources are what plugins use of Deps that is made for them and outlives
// their configuration.
type Resources struct {
	Spaces  []*cache.Space
	Rules   []*limit.Rule
	Clients []*redisconn.Client
	Queues  []*logqueue.Queue
}

// ResourceUser is a plugin that uses such things: it adds them to r. What no
// plugin of the configuration in use names is given up.
type ResourceUser interface{ AddResources(r *Resources) }

// KeepOnly says that these are the chains in use, and those of a trial: what only
// earlier ones used of d is given up. Requests that are still under way on those come
// to no harm.
func (c *Chains) KeepOnly(d *Deps, others ...*Chains) {
	r, made := c.resources, c.made
	if len(others) > 0 {
		made = maps.Clone(made)
	}
	for _, o := range others {
		r.Spaces, r.Rules = slices.Concat(r.Spaces, o.resources.Spaces), slices.Concat(r.Rules, o.resources.Rules)
		r.Clients, r.Queues = slices.Concat(r.Clients, o.resources.Clients), slices.Concat(r.Queues, o.resources.Queues)
		for name, list := range o.made {
			made[name] = slices.Concat(made[name], list)
		}
	}
	if d.Cache != nil {
		d.Cache.Keep(r.Spaces)
	}
	if d.Limits != nil {
		d.Limits.Keep(r.Rules)
	}
	if d.Redis != nil {
		d.Redis.Keep(r.Clients)
	}
	if d.Queues != nil {
		d.Queues.Keep(r.Queues)
	}
	if d.Plugins == nil {
		return
	}
	for _, definition := range d.Plugins.ordered {
		if definition.InUse != nil {
			definition.InUse(made[definition.Name])
		}
	}
}
