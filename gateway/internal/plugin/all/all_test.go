package all

import (
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// TestASoleValueIsTheDefault: what is refused otherwise must not be what a
// client that says nothing asks for.
func TestASoleValueIsTheDefault(t *testing.T) {
	schemas := Plugins().Catalog()
	for _, s := range schemas.Schemas() {
		checkSoleValues(t, s.Name, s.Fields)
	}
	for _, d := range Definitions() {
		checkSoleValues(t, d.Name, d.Config)
	}
}

func checkSoleValues(t *testing.T, prefix string, fields []entity.Field) {
	t.Helper()
	for i := range fields {
		f := &fields[i]
		path := prefix + "." + f.Name
		if f.Only != nil && (f.Only.Value != f.Default || f.Only.Why == "") {
			t.Errorf("%s: the default is %v, and only %v is taken (%q)", path, f.Default, f.Only.Value, f.Only.Why)
		}
		checkSoleValues(t, path, f.Fields)
		if f.Elements != nil {
			checkSoleValues(t, path, f.Elements.Fields)
		}
	}
}
