package plugintest

import (
	"reflect"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// Schema is what the definition of a plugin has to say.
type Schema struct {
	Priority int               // Kong's
	Config   string            // JSON that is completed to Defaults; empty: {}
	Defaults map[string]any    // nil: not compared
	Refused  map[string]string // JSON of a configuration -> part of the message that refuses it
}

// Check wants the definition to be so.
func (s Schema) Check(t *testing.T, d plugin.Definition) {
	t.Helper()
	if d.Priority != s.Priority {
		t.Errorf("priority %d, Kong's is %d", d.Priority, s.Priority)
	}
	schemas := plugin.NewSet(d).Catalog()
	body := func(config string) string { return `{"name":"` + d.Name + `","config":` + config + `}` }
	if s.Config == "" {
		s.Config = "{}"
	}
	r, err := entitytest.Insert(t, schemas, "plugins", body(s.Config))
	if err != nil {
		t.Fatal(err)
	}
	if s.Defaults != nil && !reflect.DeepEqual(r["config"], s.Defaults) {
		t.Errorf("config\n%v\nwant\n%v", r["config"], s.Defaults)
	}
	for config, message := range s.Refused {
		_, err := entitytest.Insert(t, schemas, "plugins", body(config))
		entitytest.Refused(t, err, message)
	}
}
