package entity

import (
	"maps"
	"slices"
)

// Catalog holds the schemas of everything that can be configured: Kong's
// entities, those that plugins declare, and the plugins' configurations. It
// never changes.
type Catalog struct {
	schemas []*Schema
	byName  map[string]*Schema
	byPath  map[string]*Schema
	plugins map[string]*PluginSchema
}

// NewCatalog returns the catalog of a gateway with these plugins. entities are
// the schemas that plugins declare for entities of their own (credentials).
// Names must be unique; of two plugins with one name the later one counts.
func NewCatalog(configs []*PluginSchema, entities ...*Schema) *Catalog {
	c := &Catalog{byName: map[string]*Schema{}, byPath: map[string]*Schema{}, plugins: map[string]*PluginSchema{}}
	for _, p := range configs {
		c.plugins[p.Name] = p
	}
	// In the order in which they depend on each other.
	c.schemas = []*Schema{
		certificates(), snis(), caCertificates(), services(), routes(), consumers(), upstreams(), targets(), plugins(c.plugins),
		keySets(), keys(),
	}
	c.schemas = append(c.schemas, entities...)
	for _, s := range c.schemas {
		c.byName[s.Name] = s
		c.byPath[s.CollectionPath()] = s
		c.byPath[s.ChildPath()] = s
	}
	return c
}

// Core returns the catalog of a gateway without plugins.
func Core() *Catalog { return core }

var core = NewCatalog(nil)

// Schemas returns the schemas of all entities, each after those that it refers
// to.
func (c *Catalog) Schemas() []*Schema { return c.schemas }

// ByName finds a schema by its name.
func (c *Catalog) ByName(name string) (*Schema, bool) {
	s, ok := c.byName[name]
	return s, ok
}

// ByPath finds a schema by the name that its collection has in paths of the
// Admin API.
func (c *Catalog) ByPath(path string) (*Schema, bool) {
	s, ok := c.byPath[path]
	return s, ok
}

// Plugin finds the schema of a plugin's configuration.
func (c *Catalog) Plugin(name string) (*PluginSchema, bool) {
	p, ok := c.plugins[name]
	return p, ok
}

// PluginNames returns the names of all plugins, sorted.
func (c *Catalog) PluginNames() []string { return slices.Sorted(maps.Keys(c.plugins)) }
