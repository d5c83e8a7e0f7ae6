package main

import (
	"context"
	"encoding/json"

	"gatelab/gateway/internal/admin"
)

// word is what one replica tells all others: a target's health, set by hand.
type word struct {
	Upstream string `json:"upstream"` // id
	Target   string `json:"target"`   // host:port
	Healthy  bool   `json:"healthy"`
}

// standings are how an upstream's targets stand in this replica.
func (p *program) standings(upstream string) map[string]admin.Standing {
	out := map[string]admin.Standing{}
	for address, s := range p.pools.Standings(upstream) {
		out[address] = admin.Standing{Health: s.Health, Addresses: s.Addresses}
	}
	return out
}

// setHealth sets a target's health here at once, and tells the other replicas.
func (p *program) setHealth(ctx context.Context, upstream, target string, healthy bool) error {
	p.pools.SetHealth(upstream, target, healthy)
	text, err := json.Marshal(word{upstream, target, healthy})
	if err != nil {
		return err
	}
	return p.store.Tell(ctx, string(text))
}

// heard takes a word of a replica.
func (p *program) heard(text string) {
	var w word
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		p.log.Warn("another replica said what this one does not understand", "error", err)
		return
	}
	p.pools.SetHealth(w.Upstream, w.Target, w.Healthy)
}
