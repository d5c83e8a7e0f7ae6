package scenario

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/gatelab/gatelab/internal/shipped"
)

// maxBases is how many files may lie under one: more could not be read.
const maxBases = 4

// loadBase reads the file that "base" names, relative to this one. Its stage
// ("stage", or its only one) lies under everything here, resolved under the
// profile of the same name where it has one.
func (d *decoder) loadBase(s *Scenario, root *node, depth int) (*Scenario, error) {
	n := root.field("base")
	if n == nil {
		if at := root.field("stage"); at != nil {
			d.wrong(at, "stage", "is not allowed without base")
		}
		return nil, nil
	}
	name, ok := n.value.(string)
	if !ok || name == "" {
		d.refuse(n, "base", "a file's name, relative to this one")
		return nil, nil
	}
	if depth >= maxBases {
		return nil, fmt.Errorf("%s: more than %d bases, one on the other, are not allowed", d.file, maxBases)
	}
	path := filepath.Join(filepath.Dir(d.file), name)
	b, err := shipped.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: base: %w", d.file, err)
	}
	base, err := parseWith(path, b, depth+1)
	if err != nil {
		return nil, err
	}
	if s.baseStage == "" && len(base.StageNames) == 1 {
		s.baseStage = base.StageNames[0]
	}
	if !slices.Contains(base.StageNames, s.baseStage) {
		at := root.field("stage")
		if at == nil {
			at = n
		}
		d.wrong(at, "stage", "%q is not allowed: want one of the base's stages: %s", s.baseStage, orNone(base.StageNames))
		return nil, nil
	}
	for _, p := range base.Profiles {
		if !slices.Contains(s.Profiles, p) {
			s.Profiles = append(s.Profiles, p)
		}
	}
	slices.Sort(s.Profiles)
	return base, nil
}

// stamp writes the file's name into every place.
func (n *node) stamp(file string) {
	n.at.file = file
	for i := range n.entries {
		n.entries[i].at.file = file
		n.entries[i].value.stamp(file)
	}
	for _, i := range n.items {
		i.stamp(file)
	}
}

// overlays are the entries of stages; none in a file that has none.
func (n *node) overlays() []*node {
	stages := n.field("stages")
	if stages == nil {
		return nil
	}
	return stages.items
}
