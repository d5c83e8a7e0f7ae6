package all

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

var update = flag.Bool("update", false, "write the generated parts of docs/plugins")

const (
	docs  = "../../../../docs/plugins"
	begin = "<!-- generated: begin -->\n"
	end   = "<!-- generated: end -->\n"
)

// pairs reads a file of lines "key: text".
func pairs(t *testing.T, path string) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		key, text, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if ok && !strings.HasPrefix(line, "#") {
			out[key] = text
		}
	}
	return out
}

// TestPages wants a page for every plugin, whose generated part is of its schema
// and whose example the Admin API takes. -update writes the generated parts.
func TestPages(t *testing.T) {
	meanings := pairs(t, "testdata/meanings.txt")
	catalog := Plugins().Catalog()
	for _, d := range Definitions() {
		path := filepath.Join(docs, d.Name+".md")
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Errorf("%s has no page: %v", d.Name, err)
			continue
		}
		compare(t, path, string(raw), reference(t, &d, meanings))
		_, rest, _ := strings.Cut(string(raw), "```json\n")
		example, _, ok := strings.Cut(rest, "```")
		if !ok || !strings.Contains(example, `"name": "`+d.Name+`"`) {
			t.Errorf("%s: there is no example in JSON", path)
			continue
		}
		if _, err := entitytest.Insert(t, catalog, "plugins", example); err != nil {
			t.Errorf("%s: the example is refused: %v", path, err)
		}
		if !strings.Contains(string(raw), "\n## What differs from Kong\n") {
			t.Errorf("%s: there is no section on what differs from Kong", path)
		}
	}
}

// compare wants the part of a page between the marks to be want.
func compare(t *testing.T, path, page, want string) {
	t.Helper()
	before, rest, _ := strings.Cut(page, begin)
	got, after, ok := strings.Cut(rest, end)
	switch {
	case !ok:
		t.Errorf("%s has no generated part", path)
	case got == want:
	case *update:
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o600); err != nil {
			t.Error(err)
		}
	default:
		t.Errorf("%s is not up to date: run go test ./gateway/internal/plugin/all -update", path)
	}
}

// reference is the generated part of a plugin's page.
func reference(t *testing.T, d *plugin.Definition, meanings map[string]string) string {
	t.Helper()
	var b strings.Builder
	on := []string{"global"}
	for _, place := range []struct {
		name string
		not  bool
	}{{"service", d.NoService}, {"route", d.NoRoute}, {"consumer", d.NoConsumer}} {
		if !place.not {
			on = append(on, place.name)
		}
	}
	fmt.Fprintf(&b, "Priority: %d. Scopes: %s.\n\n", d.Priority, strings.Join(on, ", "))
	b.WriteString("| field of `config` | type | default | meaning |\n|---|---|---|---|\n")
	rows(t, &b, d.Name, "", d.Config, meanings)
	return b.String()
}

func rows(t *testing.T, b *strings.Builder, name, prefix string, fields []entity.Field, meanings map[string]string) {
	t.Helper()
	for i := range fields {
		f := &fields[i]
		path := prefix + f.Name
		meaning := meanings[name+"."+path]
		if meaning == "" {
			meaning = meanings[path]
		}
		if f.Means != nil {
			meaning = "the same as `" + strings.Join(f.Means, ".") + "`"
		}
		if f.Only != nil {
			meaning = fmt.Sprintf("only `%v` is accepted: %s", shown(f.Only.Value), f.Only.Why)
		}
		if meaning == "" {
			t.Errorf("testdata/meanings.txt has no line for %s.%s", name, path)
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", path, kindOf(f), fallback(f), escape(meaning))
		rows(t, b, name, path+".", f.Fields, meanings)
		if f.Elements != nil {
			rows(t, b, name, path+"[].", f.Elements.Fields, meanings)
		}
	}
}

func escape(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

func kindOf(f *entity.Field) string {
	kind := string(f.Kind)
	if f.Elements != nil {
		kind += " of " + kindOf(f.Elements)
	}
	switch {
	case len(f.OneOf) > 0:
		values := make([]string, 0, len(f.OneOf))
		for _, v := range f.OneOf {
			values = append(values, fmt.Sprintf("`%v`", v))
		}
		kind += ": " + strings.Join(values, ", ")
	case f.Between != nil:
		kind += fmt.Sprintf(", %s to %s", shown(f.Between[0]), shown(f.Between[1]))
	}
	return kind
}

func fallback(f *entity.Field) string {
	switch {
	case f.Default != nil && f.Kind == entity.Array && len(shown(f.Default)) > 100:
		return "see [below](#what-differs-from-kong)"
	case f.Default != nil:
		return "`" + escape(shown(f.Default)) + "`"
	case f.Required && f.Kind != entity.Rec:
		return "required"
	}
	return ""
}

func shown(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return strings.Trim(string(raw), `"`)
}

// TestOverview wants README.md's table to be of the schemas: how many of the
// fields that Kong 3.4 has are supported here.
func TestOverview(t *testing.T) {
	kong := pairs(t, "testdata/kong-3.4.txt")
	var b strings.Builder
	b.WriteString("| plugin | priority | fields of Kong 3.4 that are supported | not supported | additional fields |\n|---|---|---|---|---|\n")
	definitions := Definitions()
	slices.SortFunc(definitions, func(a, b plugin.Definition) int { return strings.Compare(a.Name, b.Name) })
	for _, d := range definitions {
		theirs := strings.Fields(kong[d.Name])
		if len(theirs) == 0 {
			t.Fatalf("testdata/kong-3.4.txt has no line for %s", d.Name)
		}
		if theirs[0] == "-" {
			fmt.Fprintf(&b, "| [%s](%s.md) | %d | not in Kong | | all |\n", d.Name, d.Name, d.Priority)
			continue
		}
		var missing, more []string
		for _, name := range theirs {
			f := find(d.Config, name)
			if f == nil || f.Only != nil {
				missing = append(missing, name)
			}
		}
		for i := range d.Config {
			if !slices.Contains(theirs, d.Config[i].Name) {
				more = append(more, d.Config[i].Name)
			}
		}
		fmt.Fprintf(&b, "| [%s](%s.md) | %d | %d of %d | %s | %s |\n", d.Name, d.Name, d.Priority, len(theirs)-len(missing), len(theirs),
			strings.Join(missing, ", "), strings.Join(more, ", "))
	}
	path := filepath.Join(docs, "README.md")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, path, string(raw), b.String())
}

func find(fields []entity.Field, name string) *entity.Field {
	i := slices.IndexFunc(fields, func(f entity.Field) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &fields[i]
}

// TestYourOwn wants the page about a plugin of one's own to show the example that
// package plugin builds and drives through a proxy in its tests.
func TestYourOwn(t *testing.T) {
	raw, err := os.ReadFile("../example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(raw), "\n)\n\n")
	code, test, ok := strings.Cut(code, "// A definition declares")
	_, test, isTested := strings.Cut(test, "// TestGreeting")
	if !ok || !isTested {
		t.Fatal("example_test.go has no longer the parts that the page shows")
	}
	path := filepath.Join(docs, "your-own.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, path, string(page), "```go\n"+code+"// TestGreeting"+test+"```\n")
}
