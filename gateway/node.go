package main

import (
	"context"
	"strings"
	"time"

	"gatelab/gateway/internal/plugin"
)

// node is what the prometheus plugin tells of this process.
func (p *program) node() plugin.Node {
	return plugin.Node{
		ID: p.settings.nodeName, Version: version,
		Connections: func() plugin.Connections { return p.server.Connections() },
		Reachable:   p.postgresAnswers,
		Targets:     p.targetHealth,
	}
}

// postgresAnswers asks Postgres, for a scrape: not for long.
func (p *program) postgresAnswers() bool {
	if p.store == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return p.store.Ping(ctx) == nil
}

// targetHealth is how the targets of all upstreams stand in this replica.
func (p *program) targetHealth() (all []plugin.TargetHealth) {
	for id, name := range p.pools.Upstreams() {
		for target, s := range p.pools.Standings(id) {
			all = append(all, plugin.TargetHealth{Upstream: name, Target: target, Addresses: s.Addresses, State: strings.ToLower(s.Health)})
		}
	}
	return all
}
