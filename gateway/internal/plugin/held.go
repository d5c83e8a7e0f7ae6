package plugin

import (
	"gatelab/gateway/internal/cache"
	"gatelab/gateway/internal/limit"
	"gatelab/gateway/internal/redisconn"
)

// held is what the plugins of one configuration use of Deps that is made for
// them and outlives them.
type held struct {
	spaces  []*cache.Space
	rules   []*limit.Rule
	clients []*redisconn.Client
	proms   []*prom
}

// holder is a plugin that uses such things.
type holder interface{ hold(h *held) }

func (p *proxyCache) hold(h *held) {
	h.spaces = append(h.spaces, p.space)
	if c := p.space.Client(); c != nil {
		h.clients = append(h.clients, c)
	}
}

func (p *prom) hold(h *held) { h.proms = append(h.proms, p) }

func (p *rateLimiting) hold(h *held) {
	if p.redis != nil {
		h.rules = append(h.rules, p.rules.known, p.rules.byIP)
		h.clients = append(h.clients, p.redis)
	}
}

// KeepOnly says that these are the chains in use: what only earlier ones used of
// d is given up. Requests that are still under way on those come to no harm.
func (c *Chains) KeepOnly(d *Deps) {
	if d.Cache != nil {
		d.Cache.Keep(c.held.spaces)
	}
	if d.Limits != nil {
		d.Limits.Keep(c.held.rules)
	}
	if d.Redis != nil {
		d.Redis.Keep(c.held.clients)
	}
	if d.kong != nil {
		d.kong.use(c.held.proms)
	}
}

var (
	_ holder = (*proxyCache)(nil)
	_ holder = (*rateLimiting)(nil)
	_ holder = (*prom)(nil)
)
