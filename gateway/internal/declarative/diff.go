package declarative

import (
	"fmt"
	"io"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// The operations of a Change.
const (
	Create = "create"
	Update = "update"
	Delete = "delete"
)

// Change is what makes one entity of a configuration that of another.
type Change struct {
	Schema    *entity.Schema
	Operation string
	Before    entity.Record // nil for Create
	After     entity.Record // nil for Delete
	Fields    []string      // that differ, for Update
}

// Diff returns what makes have into want: deletions first, those of what refers
// to others before those; then updates and creations in the reverse order.
func Diff(have, want *Set) []Change {
	var deleted, rest []Change
	old, now := have.index(), want.index()
	schemas := want.catalog.Schemas()
	for i := len(schemas) - 1; i >= 0; i-- {
		s := schemas[i]
		for _, r := range have.Records[s.Name] {
			if id, _ := r["id"].(string); now.byID[s.Name][id] == nil {
				deleted = append(deleted, Change{Schema: s, Operation: Delete, Before: r})
			}
		}
	}
	for _, s := range schemas {
		var created []Change
		for _, r := range want.Records[s.Name] {
			id, _ := r["id"].(string)
			before := old.byID[s.Name][id]
			if before == nil {
				created = append(created, Change{Schema: s, Operation: Create, After: r})
				continue
			}
			if fields := changedFields(s, before, r); len(fields) > 0 {
				rest = append(rest, Change{Schema: s, Operation: Update, Before: before, After: r, Fields: fields})
			}
		}
		rest = append(rest, created...)
	}
	return append(deleted, rest...)
}

// Count is how many changes there are of each operation.
func Count(changes []Change) (created, updated, deleted int) {
	for i := range changes {
		switch changes[i].Operation {
		case Create:
			created++
		case Update:
			updated++
		case Delete:
			deleted++
		}
	}
	return created, updated, deleted
}

// WriteChanges prints a line for each change, for an update with the fields that
// differ. Secrets are not shown, nor what may be read from a vault.
func WriteChanges(w io.Writer, changes []Change) {
	for i := range changes {
		c := &changes[i]
		r := c.After
		if r == nil {
			r = c.Before
		}
		line := fmt.Sprintf("%-6s %s", c.Operation, Describe(c.Schema, r))
		if c.Operation == Update {
			before, after := c.Schema.Conceal(c.Before), c.Schema.Conceal(c.After)
			var parts []string
			for _, f := range c.Fields {
				parts = append(parts, differences(f, pair{c.Before[f], c.After[f]}, pair{before[f], after[f]})...)
			}
			line += ": " + strings.Join(parts, "; ")
		}
		fmt.Fprintln(w, line)
	}
}

// pair is a value before and after a change.
type pair struct{ before, after any }

// differences are the values below a field that differ, as they may be shown.
func differences(path string, of, shown pair) []string {
	x, isMap := of.before.(map[string]any)
	y, both := of.after.(map[string]any)
	a, aMap := shown.before.(map[string]any)
	b, bMap := shown.after.(map[string]any)
	if isMap && both && aMap && bMap {
		var out []string
		for _, k := range sortedKeys(over(x, y)) {
			if canonical(nil, x[k]) != canonical(nil, y[k]) {
				out = append(out, differences(path+"."+k, pair{x[k], y[k]}, pair{a[k], b[k]})...)
			}
		}
		return out
	}
	orNull := func(v any) string {
		if v == nil {
			return "null"
		}
		return show(v)
	}
	before, after := orNull(shown.before), orNull(shown.after)
	if before == after {
		return []string{path + " changed"} // a secret, or far into a long value
	}
	return []string{path + " " + before + " -> " + after}
}

// Describe names an entity: its kind, its name where it has one, and its id.
func Describe(s *entity.Schema, r entity.Record) string {
	it := &item{schema: s, record: r}
	text := it.describe()
	if id, _ := r["id"].(string); !strings.Contains(text, id) {
		text += " " + id
	}
	for _, fk := range s.ForeignKeys() {
		if id := refID(r, fk.Field); id != "" {
			text += fmt.Sprintf(" (%s %s)", fk.Field, id)
		}
	}
	return text
}
