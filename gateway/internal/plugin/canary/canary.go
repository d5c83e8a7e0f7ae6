package canary

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// config is the configuration as it is stored.
type config struct {
	Start        *float64 `json:"start"` // Unix seconds
	Hash         string   `json:"hash"`
	Duration     float64  `json:"duration"` // seconds
	Steps        float64  `json:"steps"`
	Percentage   *float64 `json:"percentage"`
	UpstreamHost string   `json:"upstream_host"`
	UpstreamPort int      `json:"upstream_port"`
	UpstreamURI  string   `json:"upstream_uri"`
	Groups       []string `json:"groups"`
	HashHeader   string   `json:"hash_header"`
	ByHeader     string   `json:"canary_by_header_name"`
}

// canary is the plugin.
type canary struct {
	config
	to    plugin.Diversion
	moved string // what tells a cache the answers apart
	now   func() time.Time
}

func newPlugin(c *entity.Plugin, _ *plugin.Deps) (plugin.Plugin, error) {
	p := &canary{now: time.Now}
	if err := plugin.DecodeConfig(c, &p.config); err != nil {
		return nil, err
	}
	p.to = plugin.Diversion{Host: p.UpstreamHost, Port: p.UpstreamPort}
	p.moved = "canary " + strconv.Quote(p.UpstreamHost) + " " + strconv.Itoa(p.UpstreamPort)
	return p, nil
}

// Access sends the request to the other upstream if it is one of those.
func (p *canary) Access(x *plugin.Exchange) (answered bool) {
	if !p.chosen(x) {
		return false
	}
	x.Rewrite.Diversion = p.to
	x.Rewrite.Moved += p.moved
	if p.UpstreamURI != "" {
		x.Rewrite.Path = p.UpstreamURI
	}
	return false
}

// chosen tells whether a request is for the canary. A header field that says so
// counts before everything else.
func (p *canary) chosen(x *plugin.Exchange) bool {
	if p.ByHeader != "" {
		switch strings.ToLower(string(x.Ctx.Request.Header.Peek(p.ByHeader))) {
		case "always":
			return true
		case "never":
			return false
		}
	}
	switch p.Hash {
	case allow:
		return p.inGroups(x)
	case deny:
		return !p.inGroups(x)
	}
	share := p.share()
	switch {
	case share <= 0:
		return false
	case share >= 1:
		return true
	}
	steps := uint64(p.Steps)
	return float64(p.step(x, steps)) < share*float64(steps)
}

// share is the part of the requests that is for the canary now, from 0 to 1.
func (p *canary) share() float64 {
	if p.Start != nil {
		passed := float64(p.now().UnixMilli())/1000 - *p.Start
		switch {
		case passed < 0:
			return 0
		case p.Percentage == nil:
			return passed / p.Duration
		}
	}
	if p.Percentage == nil {
		return 0
	}
	return *p.Percentage / 100
}

// step is which of the parts a request belongs to: that of a client stays the same.
func (p *canary) step(x *plugin.Exchange, steps uint64) uint64 {
	key := ""
	switch p.Hash {
	case byNothing:
		return rand.Uint64N(steps)
	case byHeader:
		key = plugin.View(x.Ctx.Request.Header.Peek(p.HashHeader))
	case byConsumer:
		if x.Consumer != nil {
			key = x.Consumer.ID
		}
	}
	if key == "" {
		key = x.ClientIP
	}
	return xxhash.Sum64String(key) % steps
}

func (p *canary) inGroups(x *plugin.Exchange) bool {
	if x.Consumer == nil {
		return false
	}
	return slices.ContainsFunc(x.Directory.Groups(x.Consumer), func(g string) bool { return slices.Contains(p.Groups, g) })
}

// Diversions is plugin.Diverter's.
func (p *canary) Diversions() []plugin.Diversion {
	if p.to == (plugin.Diversion{}) {
		return nil
	}
	return []plugin.Diversion{p.to}
}

var (
	_ plugin.AccessPhase = (*canary)(nil)
	_ plugin.Diverter    = (*canary)(nil)
)
