// Package acl is Kong's plugin acl: it lets consumers of some groups pass.
package acl

import (
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// Definition declares the plugin and the groups of consumers.
func Definition() plugin.Definition {
	list := func(name string) entity.Field {
		return entity.Field{Name: name, Kind: entity.Array, Elements: &entity.Field{Kind: entity.String}}
	}
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name:       "acl",
			NoConsumer: true,
			Config: []entity.Field{
				list("allow"), list("deny"),
				{Name: "hide_groups_header", Kind: entity.Boolean, Required: true, Default: false},
			},
			Checks: []entity.Check{{Run: checkOneList}},
		},
		Priority: 950,
		Entities: []*entity.Schema{groups()},
		New:      newPlugin,
	}
}

func checkOneList(c entity.Record) map[string]any {
	switch allow, deny := c["allow"] != nil, c["deny"] != nil; {
	case allow && deny:
		return map[string]any{"@entity": []any{"only one of these fields must be non-empty: 'config.allow', 'config.deny'"}}
	case !allow && !deny:
		return map[string]any{"@entity": []any{"at least one of these fields must be non-empty: 'config.allow', 'config.deny'"}}
	}
	return nil
}

// groups is the schema of the groups of consumers. The data plane gets them as
// entity.ACL.
func groups() *entity.Schema {
	return &entity.Schema{
		Name: "acls", Singular: "acl", EndpointKey: "group", Unique: [][]string{{"consumer", "group"}},
		Fields: plugin.CredentialFields(
			entity.Field{Name: "group", Kind: entity.String, Required: true},
		),
	}
}

// config is the configuration as it is stored.
type config struct {
	Allow            []string `json:"allow"`
	Deny             []string `json:"deny"`
	HideGroupsHeader bool     `json:"hide_groups_header"`
}

type acl struct{ config }

var (
	unknownBody = plugin.Message("Unauthorized")
	refusedBody = plugin.Message("You cannot consume this service")
)

func newPlugin(c *entity.Plugin, _ *plugin.Deps) (plugin.Plugin, error) {
	a := &acl{}
	return a, plugin.DecodeConfig(c, &a.config)
}

// Access lets a consumer pass that is in one of the allowed groups, or in none of
// the denied ones, and in the same way a client whose groups are known otherwise. Who is
// neither does not pass.
func (a *acl) Access(x *plugin.Exchange) (answered bool) {
	r := &x.Ctx.Response
	in, field := x.Groups, "X-Authenticated-Groups"
	switch {
	case x.Consumer != nil:
		in, field = x.Directory.Groups(x.Consumer), "X-Consumer-Groups"
	case len(in) == 0:
		plugin.Answer(r, fasthttp.StatusUnauthorized, unknownBody)
		return true
	}
	among := func(list []string) bool {
		return slices.ContainsFunc(in, func(group string) bool { return slices.Contains(list, group) })
	}
	if a.Deny != nil && among(a.Deny) || a.Deny == nil && !among(a.Allow) {
		plugin.Answer(r, fasthttp.StatusForbidden, refusedBody)
		return true
	}
	if !a.HideGroupsHeader && len(in) > 0 {
		plugin.SetField(&x.Ctx.Request.Header, field, strings.Join(in, ", "))
	}
	return false
}

// Authenticates marks the plugin as one that goes by who the client is: requests
// that reach its route by an ambiguous path are refused.
func (a *acl) Authenticates() {}

var (
	_ plugin.AccessPhase   = (*acl)(nil)
	_ plugin.Authenticator = (*acl)(nil)
)
