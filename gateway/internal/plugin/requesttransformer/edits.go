package requesttransformer

import (
	"slices"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/transform"
)

// edit is one entry of the configuration.
type edit struct {
	name     string
	value    string
	template *template // nil: the value is the same for every request
}

// edits are what is done to one part of a request, in Kong's order.
type edits struct{ remove, rename, replace, add, append []edit }

func (e *edits) lists() []*[]edit {
	return []*[]edit{&e.remove, &e.rename, &e.replace, &e.add, &e.append}
}

func (e *edits) isEmpty() bool {
	return !slices.ContainsFunc(e.lists(), func(list *[]edit) bool { return len(*list) > 0 })
}

// parseEdits reads the entries of one part out of the five sections.
func parseEdits(c *config, part func(*sectionConfig) []string) (e edits, err error) {
	sections := []*sectionConfig{&c.Remove, &c.Rename, &c.Replace, &c.Add, &c.Append}
	for i, list := range e.lists() {
		for _, entry := range part(sections[i]) {
			var d edit
			d.name, d.value = transform.Cut(entry)
			t, err := parseTemplate(d.value)
			if err != nil {
				return e, err
			}
			if !t.isFixed() {
				d.template = t
			}
			*list = append(*list, d)
		}
	}
	return e, nil
}

// rendered are the edits for one request: the values of templates are those of the
// request as it is now.
func (e *edits) rendered(x *plugin.Exchange) edits {
	out := *e
	for _, list := range out.lists() {
		if !slices.ContainsFunc(*list, func(d edit) bool { return d.template != nil }) {
			continue
		}
		*list = slices.Clone(*list)
		for i := range *list {
			if d := &(*list)[i]; d.template != nil {
				d.value = d.template.render(x, nil)
			}
		}
	}
	return out
}
