package imports_test

import (
	"flag"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/internal/imports"
)

var update = flag.Bool("update", false, "write the blocks into docs/ARCHITECTURE.md and .golangci.yml")

const root = "../.."

// packages are the imports of every package's own files, tests left out, and whether it has a package comment.
func packages(t *testing.T) (found map[string][]string, documented map[string]bool) {
	t.Helper()
	found, documented = map[string][]string{}, map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if d.IsDir() && path != root && isModule(path) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(dir)
		documented[pkg] = documented[pkg] || f.Doc != nil
		if found[pkg] == nil {
			found[pkg] = []string{}
		}
		for _, i := range f.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			if !slices.Contains(found[pkg], p) {
				found[pkg] = append(found[pkg], p)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found, documented
}

// isModule says whether a folder is a module of its own, which keeps its own house.
func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

// TestImportsFollowRules: every package has a rule and a comment that says what it hides, and imports what its rule allows; no rule allows
// what is not imported, so that the list stays true.
func TestImportsFollowRules(t *testing.T) {
	found, documented := packages(t)
	for pkg, paths := range found {
		i := slices.IndexFunc(imports.Rules, func(r imports.Rule) bool { return r.Package == pkg })
		if i < 0 {
			t.Errorf("%s: no rule in internal/imports/rules.txt", pkg)
			continue
		}
		if !documented[pkg] {
			t.Errorf("%s: no package comment", pkg)
		}
		for _, path := range paths {
			if why := imports.Violation(pkg, path); why != "" {
				t.Error(why)
			}
		}
		for _, may := range imports.Rules[i].May {
			if !slices.Contains(paths, imports.Module+"/"+may) {
				t.Errorf("%s may import %s, and does not: take it off its rule", pkg, may)
			}
		}
	}
	for i, r := range imports.Rules {
		if _, ok := found[r.Package]; !ok {
			t.Errorf("rule for %s: no such package", r.Package)
		}
		if i > 0 && imports.Rules[i-1].Package >= r.Package {
			t.Errorf("rule for %s: want the rules in order", r.Package)
		}
	}
}

// TestViolation: each kind of forbidden import is told.
func TestViolation(t *testing.T) {
	for _, row := range []struct{ name, pkg, path, want string }{
		{name: "allowed", pkg: "harness/internal/session", path: "github.com/gatelab/gatelab/harness/internal/lab", want: ""},
		{name: "upwards", pkg: "harness/internal/lab", path: "github.com/gatelab/gatelab/harness/internal/session", want: "must not import"},
		{
			name: "reserved module", pkg: "harness/internal/ladder", path: "github.com/moby/moby/client",
			want: "only harness/internal/lab/docker may",
		},
		{name: "pure", pkg: "gateway/internal/route", path: "net/http", want: "is pure"},
		{name: "unknown package", pkg: "harness/internal/none", path: "github.com/gatelab/gatelab/harness/internal/lab", want: "no rule"},
		{name: "standard library", pkg: "harness/internal/lab", path: "net/http", want: ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := imports.Violation(row.pkg, row.path)
			if row.want == "" && got != "" || !strings.Contains(got, row.want) {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

// TestBlocksAreGenerated: document and linter say what rules.txt says.
func TestBlocksAreGenerated(t *testing.T) {
	for _, row := range []struct{ file, begin, end, want string }{
		{"docs/ARCHITECTURE.md", "<!-- imports: begin -->\n", "<!-- imports: end -->", imports.Markdown()},
		{".golangci.yml", "      rules: # generated: go test ./internal/imports -update\n", "      # end of generated rules", imports.Depguard()},
	} {
		path := filepath.Join(root, row.file)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		before, rest, ok := strings.Cut(string(b), row.begin)
		block, after, ok2 := strings.Cut(rest, row.end)
		if !ok || !ok2 {
			t.Fatalf("%s: no block between %q and %q", row.file, row.begin, row.end)
		}
		if block == row.want {
			continue
		}
		if !*update {
			t.Errorf("%s is not what rules.txt says: run go test ./internal/imports -update", row.file)
			continue
		}
		if err := os.WriteFile(path, []byte(before+row.begin+row.want+row.end+after), 0o644); err != nil { //nolint:gosec // a source file
			t.Fatal(err)
		}
	}
}
