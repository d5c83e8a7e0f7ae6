package upstream

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/gatelab/gatelab/gateway/internal/dns"
)

// expand makes the ring of what is configured, with the services that names lead to in
// the place of the names. As in Kong, the weights of SRV records take the place of the
// target's.
func (b *Balancer) expand(p *Pools) {
	r := &ring{}
	for _, m := range b.configured {
		services := m.target.host.services()
		if services == nil {
			r.members = append(r.members, m)
		}
		for _, s := range services {
			t := p.service(b, m.target, s)
			hash := xxhash.Sum64String(m.target.Address + " " + t.Address)
			r.members = append(r.members, member{t, max(int(s.Weight), 1), hash})
		}
	}
	r.spread()
	b.ring.Store(r)
}

// leads tells whether a name of the balancer leads to services.
func (b *Balancer) leads() bool {
	return slices.ContainsFunc(b.configured, func(m member) bool { return m.target.host.services() != nil })
}

// service finds or makes the target to which a SRV record of a name leads. Its health
// and its connections are its own. Host and the name for TLS are the configured name,
// with the record's port, or, with use_srv_name, the record's.
func (p *Pools) service(b *Balancer, parent *Target, s dns.Service) *Target {
	name, port := splitAddress(parent.Address)
	if s.Port != 0 {
		port = strconv.Itoa(int(s.Port))
	}
	address := joinHost(s.Host, port)
	called := joinHost(name, port)
	key := parent.key + " > " + address
	if b.srvName {
		called = address
		key += " by its name"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t, ok := p.targets[key]; ok {
		return t
	}
	t := &Target{
		Address: address, called: called, authority: Authority(called, parent.tls != nil), upstream: parent.upstream,
		label: parent.label, key: key, parent: parent, told: p.metrics, host: newHost(address, p.config.Resolver.LookupAddresses),
	}
	t.rules.Store(b.rules)
	if parent.tls != nil {
		t.tls = parent.tls.Clone()
		if b.srvName && b.HostHeader == "" {
			t.tls.ServerName = hostOf(t.authority)
		}
	}
	if parent.http2 != nil {
		t.http2 = newHTTP2Pool(&p.config)
	}
	p.targets[key] = t
	p.probeAs(t, b.rules)
	return t
}

// probeAs has a target probed, unless others take its place. p.mu is held.
func (p *Pools) probeAs(t *Target, r *rules) {
	if t.host.services() != nil {
		p.probe(t, nil)
		return
	}
	p.probe(t, r.active)
}

// refresh asks for a name's services again, in the background.
func (p *Pools) refresh(t *Target) {
	select {
	case t.host.asking <- struct{}{}: // one at a time
		<-t.host.asking
	default:
		return
	}
	p.wg.Go(func() {
		before := t.host.services()
		ctx, cancel := context.WithTimeout(p.ctx, freshFor)
		defer cancel()
		found, err := t.host.resolve(ctx, false)
		if err != nil {
			t.host.forget()
		} else if slices.Equal(found.Services, before) {
			return
		}
		p.follow(t)
	})
}

// follow has the balancers in force go where a name leads now, and forgets the targets
// to which it does not lead any more. Requests in flight finish on theirs.
func (p *Pools) follow(parent *Target) {
	p.mu.Lock()
	used := p.used
	p.mu.Unlock()
	wanted := map[*Target]bool{}
	var rules *rules
	for _, b := range used {
		if !slices.ContainsFunc(b.configured, func(m member) bool { return m.target == parent }) {
			continue
		}
		b.expand(p)
		rules = b.rules
		for _, m := range b.ring.Load().members {
			wanted[m.target] = true
		}
	}
	p.mu.Lock()
	var gone []*Target
	for key, t := range p.targets {
		if t.parent == parent && !wanted[t] {
			delete(p.targets, key)
			gone = append(gone, t)
			p.probe(t, nil)
		}
	}
	if rules != nil {
		p.probeAs(parent, rules)
	}
	p.mu.Unlock()
	for _, t := range gone {
		t.close()
	}
}

// lead chooses another target after the name of one turned out to lead to services.
func (p *Pools) lead(c *Call, parent *Target, tried map[*Target]bool) (*Target, attempt) {
	p.follow(parent)
	c.Balancer.expand(p) // it may be of a configuration that is not in force
	return c.Balancer.choose(time.Now(), c.Hash, tried)
}
