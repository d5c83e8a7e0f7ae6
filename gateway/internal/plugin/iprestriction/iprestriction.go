// Package iprestriction is Kong's plugin ip-restriction: it lets addresses pass, or
// refuses them.
package iprestriction

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// Definition declares the plugin.
func Definition() plugin.Definition {
	list := func(name string) entity.Field {
		return entity.Field{Name: name, Kind: entity.Set, Elements: &entity.Field{Kind: entity.String}}
	}
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name: "ip-restriction",
			Config: []entity.Field{
				list("allow"), list("deny"),
				{Name: "status", Kind: entity.Integer, Between: &[2]float64{200, 599}},
				{Name: "message", Kind: entity.String},
			},
			Checks: []entity.Check{{Run: checkAddresses("allow")}, {Run: checkAddresses("deny")}, {Run: checkAny}},
		},
		Priority: 990,
		New:      newPlugin,
	}
}

func checkAddresses(field string) func(entity.Record) map[string]any {
	return func(c entity.Record) map[string]any {
		list, _ := c[field].([]any)
		var wrong []any
		for i, e := range list {
			text, _ := e.(string)
			if _, err := parsePrefix(text); err != nil {
				wrong = append(append(wrong, make([]any, i-len(wrong))...), fmt.Sprintf("invalid ip or cidr range: '%s'", text))
			}
		}
		if wrong == nil {
			return nil
		}
		return map[string]any{field: wrong}
	}
}

func checkAny(c entity.Record) map[string]any {
	if c["allow"] == nil && c["deny"] == nil {
		return map[string]any{"@entity": []any{"at least one of these fields must be non-empty: 'config.allow', 'config.deny'"}}
	}
	return nil
}

// parsePrefix reads an address or a range, IPv4 or IPv6. An IPv4 address within
// IPv6 is the IPv4 address.
func parsePrefix(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("address %q", text)
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("range %q", text)
	}
	return p.Masked(), nil
}

// config is the configuration as it is stored.
type config struct {
	Allow   []string `json:"allow"`
	Deny    []string `json:"deny"`
	Status  int      `json:"status"`
	Message string   `json:"message"`
}

// restriction looks at the address that the gateway knows the client by: the
// peer's, or what a trusted proxy says.
type restriction struct {
	allow, deny []netip.Prefix
	status      int
	body        []byte
}

func newPlugin(c *entity.Plugin, _ *plugin.Deps) (plugin.Plugin, error) {
	in := config{Status: fasthttp.StatusForbidden, Message: "Your IP address is not allowed"}
	if err := plugin.DecodeConfig(c, &in); err != nil {
		return nil, err
	}
	r := &restriction{status: in.Status, body: plugin.Message(in.Message)}
	for _, l := range []struct {
		from []string
		to   *[]netip.Prefix
	}{{in.Allow, &r.allow}, {in.Deny, &r.deny}} {
		for _, text := range l.from {
			p, err := parsePrefix(text)
			if err != nil {
				return nil, err
			}
			*l.to = append(*l.to, p)
		}
	}
	return r, nil
}

// Access refuses who is denied, and where there is a list of the allowed, all
// others.
func (r *restriction) Access(x *plugin.Exchange) (answered bool) {
	addr, err := netip.ParseAddr(x.ClientIP)
	addr = addr.Unmap().WithZone("") // ranges have no zone, and contain no address that has one
	if err == nil && !contain(r.deny, addr) && (len(r.allow) == 0 || contain(r.allow, addr)) {
		return false
	}
	plugin.Answer(&x.Ctx.Response, r.status, r.body)
	return true
}

func contain(list []netip.Prefix, addr netip.Addr) bool {
	for _, p := range list {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

var _ plugin.AccessPhase = (*restriction)(nil)
