package manual

import (
	"bytes"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/yuin/goldmark/ast"

	"github.com/gatelab/gatelab/docs"
)

const root = "../../.." // of the project

func open(t *testing.T) *Manual {
	t.Helper()
	m, err := Open(docs.Files)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestEveryPageIsReached keeps pages from being written and never found: links lead from
// the index to each.
func TestEveryPageIsReached(t *testing.T) {
	m := open(t)
	reached := map[string]bool{Index: true}
	for todo := []string{Index}; len(todo) > 0; todo = todo[1:] {
		p, err := m.Page(todo[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range links(parse([]byte(p.Source))) {
			if name, ok := pageName(p.Name, target); ok && !reached[name] && m.page(name) != nil {
				reached[name] = true
				todo = append(todo, name)
			}
		}
	}
	for _, p := range m.Pages() {
		if !reached[p.Name] {
			t.Errorf("no link leads from docs/README.md to %s.md", p.Name)
		}
	}
	if n := len(m.Menu()); n < 20 || n > 80 {
		t.Errorf("the menu has %d pages", n)
	}
}

// TestEveryLinkLeadsSomewhere follows the relative links and images of all Markdown
// files that a reader is led to, down to the heading.
func TestEveryLinkLeadsSomewhere(t *testing.T) {
	for _, file := range markdownFiles(t) {
		t.Run(file, func(t *testing.T) {
			source, err := os.ReadFile(filepath.Join(root, file))
			if err != nil {
				t.Fatal(err)
			}
			for _, target := range targets(parse(source)) {
				if err := follow(file, target); err != "" {
					t.Errorf("link %q: %s", target, err)
				}
			}
		})
	}
}

func markdownFiles(t *testing.T) (files []string) {
	t.Helper()
	for _, dir := range []string{".", "docs", "deploy", "alerts", "reports/published/gate"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && (dir == "." && name != filepath.Join(root, dir) || strings.HasPrefix(d.Name(), "node_modules")) {
				return filepath.SkipDir
			}
			if filepath.Ext(name) == ".md" {
				rel, err := filepath.Rel(root, name)
				files = append(files, rel)
				return err
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(files) < 20 {
		t.Fatalf("only %d Markdown files found: %q", len(files), files)
	}
	return files
}

// targets are the destinations of links and images below a node.
func targets(root ast.Node) []string {
	all := links(root)
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if i, ok := n.(*ast.Image); ok && entering {
			all = append(all, string(i.Destination))
		}
		return ast.WalkContinue, nil
	})
	return all
}

// follow is what is wrong with a link of a file; "" if nothing.
func follow(file, target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return err.Error()
	}
	if u.IsAbs() {
		return "" // nothing outside this machine is asked
	}
	to := file
	if u.Path != "" {
		to = path.Join(path.Dir(file), u.Path)
	}
	if _, err := os.Stat(filepath.Join(root, to)); err != nil {
		return "no such file"
	}
	if u.Fragment == "" || path.Ext(to) != ".md" {
		return ""
	}
	source, err := os.ReadFile(filepath.Join(root, to))
	if err != nil {
		return err.Error()
	}
	for _, s := range newPage(to, string(source)).Sections {
		if s.Anchor == u.Fragment {
			return ""
		}
	}
	return "no such heading in " + to
}

func TestRenderedPagesLinkToServedPages(t *testing.T) {
	m, err := Open(fstest.MapFS{
		"README.md": {Data: []byte("# Index\n\n[a](a.md) [b](adr/b.md)\n")},
		"a.md": {Data: []byte("# A & B\n\n[up](README.md#index), [run](../reports/published/ladder/report.md),\n" +
			"![pic](../reports/published/ladder/x.svg), [code](../harness/main.go), <script>alert(1)</script>\n\n" +
			"[evil](javascript:alert(1))\n\n## Two words\n\n## Two words\n")},
		"adr/b.md": {Data: []byte("# B\n\n[a](../a.md#two-words-1)\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"a": {
			`href="/docs/README#index"`, `href="/run/published/ladder/"`, `src="/run/published/ladder/x.svg"`, "code",
			`id="two-words-1"`, "A &amp; B",
		},
		"adr/b": {`href="/docs/a#two-words-1"`},
	} {
		p, err := m.Page(name)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := m.HTML(&b, p, "/docs/"); err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(b.String(), w) {
				t.Errorf("%s: no %s in\n%s", name, w, b.String())
			}
		}
		for _, not := range []string{"<script", "main.go", "javascript:"} {
			if strings.Contains(b.String(), not) {
				t.Errorf("%s: %s in\n%s", name, not, b.String())
			}
		}
	}
}

func TestSearch(t *testing.T) {
	m := open(t)
	for query, page := range map[string]string{
		"first report": "getting-started", "INVALID": "troubleshooting", "Redis limit cost": "faq", "pg_max_conns": "settings",
		"black-hole": "faults", "acknowledged write": "tutorial-game-day",
	} {
		hits := m.Search(query)
		found := false
		for _, h := range hits[:min(len(hits), 5)] {
			found = found || h.Page.Name == page
		}
		if !found {
			t.Errorf("%q: %s is not among the first hits: %v", query, page, hits[:min(len(hits), 5)])
		}
	}
	for _, query := range []string{"", "  ", "<>", "surely no page has xyzzy"} {
		if hits := m.Search(query); len(hits) != 0 {
			t.Errorf("%q: %d hits", query, len(hits))
		}
	}
}

func TestAnUnknownPageNamesASimilarOne(t *testing.T) {
	if _, err := open(t).Page("getting-startd"); err == nil || !strings.Contains(err.Error(), `"getting-started"`) {
		t.Errorf("got %v", err)
	}
}
