package plugin

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Set is the plugins that a gateway has. It never changes.
type Set struct {
	ordered []*Definition // in the order in which they run
	byName  map[string]*Definition
	catalog *entity.Catalog
}

// NewSet returns the set of these plugins. It panics where a definition lacks a
// name or a constructor, or where two have the same name: that is a mistake in
// the program.
func NewSet(definitions ...Definition) *Set {
	s := &Set{byName: map[string]*Definition{}}
	var (
		configs  []*entity.PluginSchema
		entities []*entity.Schema
	)
	for i := range definitions {
		d := &definitions[i]
		if d.Name == "" || d.New == nil || s.byName[d.Name] != nil {
			panic(fmt.Sprintf("plugin %q: a definition needs a name of its own and New", d.Name))
		}
		s.byName[d.Name] = d
		s.ordered = append(s.ordered, d)
		configs = append(configs, &d.PluginSchema)
		entities = append(entities, d.Entities...)
	}
	slices.SortFunc(s.ordered, func(a, b *Definition) int {
		if a.Priority != b.Priority {
			return b.Priority - a.Priority
		}
		return strings.Compare(a.Name, b.Name)
	})
	s.catalog = entity.NewCatalog(configs, entities...)
	return s
}

// Catalog returns the schemas of all entities and plugins.
func (s *Set) Catalog() *entity.Catalog { return s.catalog }

// RegisterMetrics exports what is there, with 0, before any plugin is
// configured.
func (s *Set) RegisterMetrics(reg prometheus.Registerer) error {
	for _, d := range s.ordered {
		if d.RegisterMetrics == nil {
			continue
		}
		if err := d.RegisterMetrics(reg); err != nil {
			return fmt.Errorf("plugin %s: %w", d.Name, err)
		}
	}
	return nil
}

// find is the definition of a plugin; a nil set has none.
func (s *Set) find(name string) (*Definition, bool) {
	if s == nil {
		return nil, false
	}
	d, ok := s.byName[name]
	return d, ok
}

// RequestFields are the names of the request's header fields that a configured
// plugin decides by, as it is configured: the values of fields of its schema
// that hold names of header fields.
func (s *Set) RequestFields(c *entity.Plugin) []string {
	d, ok := s.find(c.Name)
	if !ok {
		return nil
	}
	var names []string
	if d.RequestFields != nil {
		names = d.RequestFields(c)
	}
	for i := range d.Config {
		f := &d.Config[i]
		isName := f.Match == "header" || f.Elements != nil && f.Elements.Match == "header"
		if !isName {
			continue
		}
		switch v := c.Config[f.Name].(type) {
		case string:
			names = append(names, v)
		case []any:
			for _, e := range v {
				if name, ok := e.(string); ok {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// newPlugin makes a configured plugin.
func (s *Set) newPlugin(c *entity.Plugin, d *Deps) (Plugin, error) {
	definition, ok := s.find(c.Name)
	if !ok {
		return nil, errors.New("this gateway does not have it")
	}
	return definition.New(c, d)
}
