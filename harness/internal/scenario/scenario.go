package scenario

import (
	"fmt"
	"slices"

	"github.com/gatelab/gatelab/internal/shipped"
	"github.com/gatelab/gatelab/internal/suggest"
)

// All is the stage name that stands for every stage.
const All = "all"

// Load reads and checks the scenario in the file at path.
func Load(path string) (*Scenario, error) {
	b, err := shipped.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read scenario: %w", err)
	}
	return Parse(path, b)
}

// Parse checks the YAML text b, each stage under each profile included; file
// is its name in errors, and where its base is looked for. Mistakes in the text
// are Errors.
func Parse(file string, b []byte) (*Scenario, error) { return parseWith(file, b, 0) }

// parseWith is Parse at a depth of bases.
func parseWith(file string, b []byte, depth int) (*Scenario, error) {
	root, err := parse(file, b)
	if err != nil {
		return nil, err
	}
	root.stamp(file)
	d := &decoder{file: file, partial: true}
	s := d.scenario(root)
	if s.base, err = d.loadBase(s, root, depth); err != nil {
		return nil, err
	}
	// Overlays by themselves first: only when each is sound does it make sense
	// to look at what they add up to.
	if err := d.errs.orNil(); err != nil {
		return nil, err
	}
	d.partial = false
	for _, profile := range append([]string{""}, s.Profiles...) {
		for _, stage := range s.StageNames {
			d.resolve(stage, profile, s.merged(profile, stage))
		}
	}
	if err := d.errs.orNil(); err != nil {
		return nil, err
	}
	return s, nil
}

// scenario decodes the file's own keys, and checks each overlay by itself.
func (d *decoder) scenario(root *node) *Scenario {
	s := &Scenario{File: d.file, Published: map[string]Published{}, root: root}
	d.object("", root, d.keys(s))
	based := root.field("base") != nil
	if based && root.field("stages") == nil && s.Name != "" {
		s.StageNames = []string{s.Name} // the base's stage with this file on top
	}
	for _, key := range []string{"name", "stages"} {
		if root.field(key) == nil && (!based || key != "stages") {
			d.wrong(root, key, "is missing")
		}
	}
	if n := root.field("stages"); n != nil && n.kind == list && len(n.items) == 0 {
		d.wrong(n, "stages", "an empty list is not allowed: want one stage or more")
	}
	if n := root.field("published"); n != nil {
		d.byStage("published", n, s, func(p, key string, n *node) { s.Published[key] = d.published(p, n) })
	}
	if n := root.field("profiles"); n != nil {
		for _, e := range n.entries {
			if n := e.value.field("stages"); n != nil {
				d.byStage("profiles."+e.key+".stages", n, s, func(p, _ string, n *node) {
					over := defaults()
					d.object(p, n, d.stage(&over))
				})
			}
		}
	}
	slices.Sort(s.Profiles)
	return s
}

// keys are those of a file.
func (d *decoder) keys(s *Scenario) fields {
	base := defaults()
	f := d.stage(&base)
	f["name"] = d.match(&s.Name, namePattern, wantName)
	f["description"] = d.words(&s.Description)
	f["stages"] = d.items(func(p string, n *node) { d.overlay(p, n, s) })
	f["profiles"] = d.each(func(p, key string, n *node) { d.profile(p, key, n, s) })
	// Decoded by scenario, when the stages are known.
	f["published"] = d.described(func(p string, n *node) { d.published(p, n) })
	f["base"] = func(string, *node) { d.describe(Field{Kind: kindText, Allowed: "a file's name, relative to this one"}) } // loadBase's
	f["stage"] = d.match(&s.baseStage, namePattern, wantName)
	f["changes"] = d.items(func(p string, n *node) {
		var change string
		d.words(&change)(p, n)
		s.changes = append(s.changes, change)
	})
	return f
}

// overlay decodes one entry of stages by itself.
func (d *decoder) overlay(path string, n *node, s *Scenario) {
	var name string
	over := defaults()
	f := d.stage(&over)
	f["name"] = d.match(&name, namePattern, wantName)
	f["changes"] = d.items(func(p string, n *node) {
		var change string
		d.words(&change)(p, n)
	})
	d.object(path, n, f)
	if d.about != nil {
		d.describeRequired([]string{"name"})
	}
	at := n.field("name")
	switch {
	case n.kind != mapping:
	case at == nil:
		d.wrong(n, join(path, "name"), "is missing")
	case name == All || slices.Contains(s.StageNames, name):
		d.refuse(at, join(path, "name"), "a name that no other stage has, and not "+All)
	case name != "":
		s.StageNames = append(s.StageNames, name)
	}
}

// profile decodes an overlay for every stage. Under "stages" it has overlays
// for single ones, which go on top of its own.
func (d *decoder) profile(path, key string, n *node, s *Scenario) {
	over := defaults()
	f := d.stage(&over)
	// Checked when the stages are known.
	f["stages"] = d.described(func(p string, n *node) {
		one := defaults()
		d.object(p, n, d.stage(&one))
	})
	d.object(path, n, f)
	if !namePattern.MatchString(key) {
		d.wrong(n, path, "the name %q is not allowed: want %s", key, wantName)
	}
	s.Profiles = append(s.Profiles, key)
}

// byStage decodes a map whose keys are names of stages.
func (d *decoder) byStage(path string, n *node, s *Scenario, take func(p, key string, n *node)) {
	f := fields{}
	for _, name := range s.StageNames {
		f[name] = func(p string, n *node) { take(p, name, n) }
	}
	d.object(path, n, f)
}

func (d *decoder) published(path string, n *node) (out Published) {
	d.object(path, n, fields{
		"qps":          d.number(&out.QPS, 1e9),
		"connections":  d.whole(&out.Connections, 1, 1_000_000),
		"p50_ms":       d.number(&out.P50Ms, 1e9),
		"p99_ms":       d.number(&out.P99Ms, 1e9),
		"error_rate":   d.number(&out.ErrorRate, 1),
		"availability": d.number(&out.Availability, 1),
		"remark":       d.words(&out.Remark),
	})
	return out
}

// merged is a stage with everything before it and the profile on top.
func (s *Scenario) merged(profile, stage string) *node {
	out := s.root.without("name", "description", "base", "stage", "changes", "stages", "profiles", "published")
	if s.base != nil {
		under := profile
		if !slices.Contains(s.base.Profiles, profile) {
			under = ""
		}
		out = merge(s.base.merged(under, s.baseStage), out)
	}
	for _, over := range s.root.overlays() {
		out = merge(out, over.without("name", "changes"))
		if name, _ := nameOf(over, "name"); name == stage {
			break
		}
	}
	if p := s.root.field("profiles").field(profile); p != nil {
		out = merge(out, p.without("stages"))
		out = merge(out, p.field("stages").field(stage))
	}
	out.at = s.root.at // out is no overlay itself: without made it
	return out
}

// Full is the profile of commands that are given none. It is the file without a
// profile where the file has none of that name: a first scenario of one's own.
const Full = "full"

// Plan resolves the named stages under a profile, in the file's order. No
// stage, or "all", is every stage. An empty profile is the file without one.
func (s *Scenario) Plan(profile string, stages ...string) ([]Stage, error) {
	if profile == Full && !slices.Contains(s.Profiles, Full) {
		profile = ""
	}
	if profile != "" && !slices.Contains(s.Profiles, profile) {
		return nil, unknown(s.File, "profile", profile, s.Profiles)
	}
	for _, name := range stages {
		if name != All && !slices.Contains(s.StageNames, name) {
			return nil, unknown(s.File, "stage", name, append(slices.Clone(s.StageNames), All))
		}
	}
	var plan []Stage
	for i, name := range s.StageNames {
		if len(stages) > 0 && !slices.Contains(stages, All) && !slices.Contains(stages, name) {
			continue
		}
		d := &decoder{file: s.File}
		one := d.resolve(name, profile, s.merged(profile, name))
		if err := d.errs.orNil(); err != nil {
			return nil, err
		}
		one.Changes = append(one.Changes, s.changes...)
		if overlays := s.root.overlays(); len(overlays) > 0 {
			changes, _ := overlays[i].field("changes").plain().([]any)
			for _, c := range changes {
				one.Changes = append(one.Changes, fmt.Sprint(c))
			}
		}
		if p, ok := s.Published[name]; ok {
			one.Published = &p
		}
		plan = append(plan, one)
	}
	return plan, nil
}

func unknown(file, what, name string, allowed []string) error {
	return fmt.Errorf("%s: %w", file, suggest.Unknown(what, name, allowed))
}
