// Package grpcweb is Kong's plugin grpc-web: browsers ask services of gRPC over
// HTTP/1.1 or HTTP/2 without trailers.
package grpcweb

import (
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// Definition declares the plugin.
func Definition() plugin.Definition {
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name: "grpc-web",
			Config: []entity.Field{
				{
					Name: "proto", Kind: entity.String,
					Only: &entity.Only{Why: "JSON is not transcoded; clients send application/grpc-web+proto or application/grpc-web-text+proto"},
				},
				{Name: "pass_stripped_path", Kind: entity.Boolean},
				{Name: "allow_origin_header", Kind: entity.String, Default: "*"},
			},
		},
		Priority: 3,
		New:      newPlugin,
	}
}

// config is the configuration as it is stored.
type config struct {
	PassStrippedPath  bool   `json:"pass_stripped_path"`
	AllowOriginHeader string `json:"allow_origin_header"`
}

func newPlugin(c *entity.Plugin, _ *plugin.Deps) (plugin.Plugin, error) {
	g := &grpcWeb{}
	return g, plugin.DecodeConfig(c, &g.config)
}
