package plugin

import (
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

// KeepOnly says that these are the chains in use: what only earlier ones used of
// d is given up. Requests that are still under way on those come to no harm.
func (c *Chains) KeepOnly(d *Deps) {
	if d.Cache != nil {
		d.Cache.Keep(c.resources.Spaces)
	}
	if d.Limits != nil {
		d.Limits.Keep(c.resources.Rules)
	}
	if d.Redis != nil {
		d.Redis.Keep(c.resources.Clients)
	}
	if d.Queues != nil {
		d.Queues.Keep(c.resources.Queues)
	}
	if d.Plugins == nil {
		return
	}
	for _, definition := range d.Plugins.ordered {
		if definition.InUse != nil {
			definition.InUse(c.made[definition.Name])
		}
	}
}
