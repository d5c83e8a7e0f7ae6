package alerts

import (
	"fmt"
	"io/fs"

	"github.com/goccy/go-yaml"
)

// Rule is one recording rule (Record is set) or alert (Alert is set) of a rule
// file.
type Rule struct {
	File        string            `yaml:"-"`
	Record      string            `yaml:"record"`
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"` // PromQL
	For         string            `yaml:"for"`  // a Prometheus duration; empty is none
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

type file struct {
	Groups []struct {
		Name  string `yaml:"name"`
		Rules []Rule `yaml:"rules"`
	} `yaml:"groups"`
}

// Rules reads all rules, in the order of files and of groups within them.
func Rules() ([]Rule, error) {
	names, err := fs.Glob(Files, "*.rules.yaml")
	if err != nil {
		return nil, err
	}
	var all []Rule
	for _, name := range names {
		text, err := Files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var f file
		if err := yaml.Unmarshal(text, &f); err != nil {
			return nil, fmt.Errorf("alerts: %s: %w", name, err)
		}
		for _, g := range f.Groups {
			for _, r := range g.Rules {
				r.File = name
				all = append(all, r)
			}
		}
	}
	return all, nil
}
