// Package botdetection is Kong's plugin bot-detection: it refuses clients by what
// they say they are in User-Agent.
package botdetection

import (
	"bytes"
	"fmt"
	"regexp"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// maxAgent is how much of a User-Agent is examined, in bytes.
const maxAgent = 2048

// Definition declares the plugin.
func Definition() plugin.Definition {
	list := func(name string) entity.Field {
		return entity.Field{
			Name: name, Kind: entity.Array, Default: []any{}, Elements: &entity.Field{Kind: entity.String, Match: "regex"},
		}
	}
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{Name: "bot-detection", Config: []entity.Field{list("allow"), list("deny")}},
		Priority:     2500,
		New:          newPlugin,
	}
}

// config is the configuration as it is stored.
type config struct {
	Allow []string `json:"allow"`
	Deny  []string `json:"deny"`
}

type detection struct{ allow, deny []*regexp.Regexp }

var refusedBody = plugin.Message("Forbidden")

func newPlugin(c *entity.Plugin, _ *plugin.Deps) (plugin.Plugin, error) {
	var in config
	if err := plugin.DecodeConfig(c, &in); err != nil {
		return nil, err
	}
	d := &detection{}
	for _, l := range []struct {
		name string
		from []string
		to   *[]*regexp.Regexp
	}{{"allow", in.Allow, &d.allow}, {"deny", in.Deny, &d.deny}} {
		for _, text := range l.from {
			expr, err := regexp.Compile(text)
			if err != nil {
				return nil, fmt.Errorf("bot-detection: config.%s: %w", l.name, err)
			}
			*l.to = append(*l.to, expr)
		}
	}
	return d, nil
}

// Access refuses robots. A client that does not say what it is passes, as in Kong.
func (d *detection) Access(x *plugin.Exchange) (answered bool) {
	// Of several fields this is the last one, which is also all that the upstream gets.
	agent := bytes.TrimSpace(x.Ctx.Request.Header.UserAgent())
	agent = agent[:min(len(agent), maxAgent)]
	if len(agent) == 0 || fits(d.allow, agent) || !fits(d.deny, agent) && !fits(bots, agent) {
		return false
	}
	plugin.Answer(&x.Ctx.Response, fasthttp.StatusForbidden, refusedBody)
	return true
}

func fits(list []*regexp.Regexp, agent []byte) bool {
	for _, expr := range list {
		if expr.Match(agent) {
			return true
		}
	}
	return false
}

var _ plugin.AccessPhase = (*detection)(nil)
