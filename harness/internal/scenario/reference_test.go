package scenario_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/scenario"
)

// TestReference compares docs/scenarios.md with what the decoder says of itself.
func TestReference(t *testing.T) {
	head, err := os.ReadFile("testdata/scenarios-head.md")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.Write(head)
	root := scenario.Describe()
	b.WriteString("\n## The file\n\nKeys of a file alone; all others may stand in a stage and in a profile as well.\n\n")
	table(&b)
	var stage []*scenario.Field
	for _, f := range root.Fields {
		switch f.Key {
		case "name", "description", "base", "stage", "changes", "stages", "profiles":
			row(&b, f)
		case "published":
			row(&b, f)
			rows(&b, f.Each.Fields)
		default:
			stage = append(stage, f)
		}
	}
	b.WriteString("\n## Keys of a stage\n\n")
	table(&b)
	for _, f := range stage {
		row(&b, f)
	}
	for _, f := range stage {
		if f.Kind != "map" && f.Kind != "list" || f.Key == "gateway" {
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", f.Key, f.Meaning)
		table(&b)
		for _, one := range f.Fields {
			row(&b, one)
			below(&b, one)
		}
		below(&b, &scenario.Field{Each: f.Each})
	}
	compareFile(t, "../../../docs/scenarios.md", []byte(b.String()))
}

func table(b *strings.Builder) {
	b.WriteString("| key | value | default | meaning |\n|---|---|---|---|\n")
}

func rows(b *strings.Builder, fields []*scenario.Field) {
	for _, f := range fields {
		row(b, f)
		below(b, f)
	}
}

// below are the rows of everything in a field.
func below(b *strings.Builder, f *scenario.Field) {
	if f.Path == "stages" || f.Path == "profiles" {
		return
	}
	// One role's node, and one end's link, stand for all of them.
	if f.Path == "topology.nodes" || f.Path == "topology.links" {
		name := map[string]string{"topology.nodes": "ROLE", "topology.links": "END"}[f.Path]
		first := f.Fields[0]
		var keys []string
		for _, one := range f.Fields {
			keys = append(keys, one.Key)
		}
		fmt.Fprintf(b, "| `%s.%s` | map; %s is one of %s | | %s |\n", f.Path, name, name, strings.Join(keys, ", "), first.Meaning)
		for _, one := range first.Fields {
			one.Path = f.Path + "." + name + "." + one.Key
			row(b, one)
		}
		return
	}
	rows(b, f.Fields)
	if f.Each != nil {
		rows(b, f.Each.Fields)
	}
}

func row(b *strings.Builder, f *scenario.Field) {
	key := "`" + f.Path + "`"
	if f.Required {
		key = "**" + key + "**"
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s |\n", key, value(f), f.Default, strings.ReplaceAll(f.Meaning, "|", `\|`))
}

// value is what a field may be, in words.
func value(f *scenario.Field) string {
	switch {
	case f.Kind == "list" && f.Each.Allowed != "":
		return "list of " + f.Each.Allowed
	case f.Kind == "map" && f.Each != nil && f.Each.Allowed != "":
		return "map of " + f.Each.Allowed
	case f.Allowed == "":
		return f.Kind
	case f.Kind == "whole number", f.Kind == "duration", f.Kind == "memory", f.Kind == "number":
		return f.Kind + ", " + f.Allowed
	}
	return f.Allowed
}
