package style

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

// widest is how many values one assignment may set, unless they are the results of one call.
const widest = 2

// TestNoWideAssignments: an assignment of many values makes the reader count places.
func TestNoWideAssignments(t *testing.T) {
	fset := token.NewFileSet()
	wide := func(n ast.Node, values int) {
		if values > widest {
			t.Errorf("%s: %d values in one assignment: want at most %d", fset.Position(n.Pos()), values, widest)
		}
	}
	for _, path := range goFiles(t) {
		f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.AssignStmt:
				wide(x, len(x.Rhs))
			case *ast.ValueSpec:
				wide(x, len(x.Values))
			}
			return true
		})
	}
}

// goFiles are the module's own Go files.
func goFiles(t *testing.T) (files []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules"):
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(path, ".go"):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
