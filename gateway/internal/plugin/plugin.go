// Package plugin runs the plugins of a request: what a plugin is (Definition),
// its phases, and the chain that puts the configured plugins of a route into
// Kong's order. Each plugin lives in a package of its own below this one.
package plugin

import (
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/cache"
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/limit"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logqueue"
	"github.com/gatelab/gatelab/gateway/internal/redisconn"
)

// Plugin is one configured plugin. It implements at least one phase: Access,
// HeaderFilter, BodyFilter or Log. A chain finds out which when it is built.
type Plugin any

// Definition declares a plugin: what it is called, how it is configured, and
// how it is made.
type Definition struct {
	entity.PluginSchema

	// Priority is Kong's: plugins with a higher one run earlier, those with the
	// same one in the order of their names.
	Priority int

	// Entities are the schemas of entities that belong to the plugin
	// (credentials). Their tables are the store's: a new one needs a migration.
	Entities []*entity.Schema

	// RequestFields are the names of header fields of the request that a
	// configured plugin decides by, beside those that its schema marks as such.
	// nil: there are none.
	RequestFields func(c *entity.Plugin) []string

	// New makes a plugin of its configuration, which the schema has checked and
	// completed. It is called for every enabled plugin of every new
	// configuration; what outlives configurations is in d, or in what New is a
	// method of.
	New func(c *entity.Plugin, d *Deps) (Plugin, error)

	// RegisterMetrics exports metrics that exist, with 0, before any plugin is
	// configured. nil: there are none.
	RegisterMetrics func(reg prometheus.Registerer) error

	// InUse is told which plugins of this definition serve from now on,
	// whenever the configuration has changed. nil: it makes no difference.
	InUse func(plugins []Plugin)
}

// Deps are what plugins share for the whole life of the process: it survives
// every configuration.
type Deps struct {
	Plugins    *Set // what can be configured
	Cache      *cache.Store
	Limits     *limit.Limiter
	Redis      *redisconn.Registry
	Queues     *logqueue.Registry
	Tokens     TokenStore // nil: there is no database
	Registerer prometheus.Registerer
	Log        *slog.Logger
	NodeName   string
	Node       Node

	// MaxBodyBytes is the longest request or response body that is kept in
	// memory for a plugin that asks for it; 0 is DefaultMaxBodyBytes.
	MaxBodyBytes int
}

// DefaultMaxBodyBytes is Deps.MaxBodyBytes where none is set.
const DefaultMaxBodyBytes = 1 << 20

// Logger is Log, or one that says nothing.
func (d *Deps) Logger() *slog.Logger {
	if d == nil || d.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return d.Log
}

func (d *Deps) maxBodyBytes() int {
	if d.MaxBodyBytes == 0 {
		return DefaultMaxBodyBytes
	}
	return d.MaxBodyBytes
}

// DecodeConfig decodes a plugin's configuration into a struct with JSON tags.
func DecodeConfig(c *entity.Plugin, into any) error {
	raw, err := json.Marshal(c.Config)
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		return fmt.Errorf("%s config: %w", c.Name, err)
	}
	return nil
}
