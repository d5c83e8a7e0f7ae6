package deploy

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A release has programs for systems on which no test runs. Building them takes minutes, so their types are checked: that finds what a
// system does not have, such as a type of package unix that only Linux has.
func TestTheProgramsAreWholeOnMacOS(t *testing.T) {
	if testing.Short() {
		t.Skip("checks the types of a thousand packages, and -short asks for quick tests: run make test")
	}
	c := checker{
		files: token.NewFileSet(), done: map[string]*types.Package{"unsafe": types.Unsafe}, sizes: types.SizesFor("gc", "arm64"),
		fail: func(err error) { t.Error(err) },
	}
	for _, p := range packagesFor(t, "darwin", "arm64") {
		c.check(p)
	}
	if n := len(c.done); n < 500 {
		t.Errorf("only %d packages were checked", n)
	}
}

// listed is what `go list` says of a package.
type listed struct {
	ImportPath, Dir string
	GoFiles         []string
	ImportMap       map[string]string
	Module          *struct{ Main bool }
}

// packagesFor are both programs' packages on a system, each after those that it imports.
func packagesFor(t *testing.T, system, arch string) (all []listed) {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Dir,GoFiles,ImportMap,Module", "./gateway", "./harness")
	list.Dir = ".."
	list.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+arch, "CGO_ENABLED=0")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

type checker struct {
	files *token.FileSet
	done  map[string]*types.Package
	sizes types.Sizes
	fail  func(error)
}

// check reads the function bodies of our own packages only: those of others are not ours to mend.
func (c *checker) check(p listed) {
	if c.done[p.ImportPath] != nil {
		return
	}
	own := p.Module != nil && p.Module.Main
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(c.files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			c.fail(err)
			return
		}
		files = append(files, f)
	}
	config := types.Config{
		IgnoreFuncBodies: !own, Sizes: c.sizes, Importer: imports{c: c, names: p.ImportMap},
		Error: func(err error) {
			if own {
				c.fail(err)
			}
		},
	}
	c.done[p.ImportPath], _ = config.Check(p.ImportPath, c.files, files, nil) // errors go to Error
}

// imports finds packages by the names that a package has for them: the standard library's vendored ones have others.
type imports struct {
	c     *checker
	names map[string]string
}

func (i imports) Import(path string) (*types.Package, error) {
	if name := i.names[path]; name != "" {
		path = name
	}
	if p := i.c.done[path]; p != nil {
		return p, nil
	}
	return nil, errors.New("not listed: " + path)
}
