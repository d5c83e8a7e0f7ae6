// Package manual hides how the documentation is found, rendered and searched: Markdown
// files with an index page, whose links work on a forge, on a terminal and in a browser.
package manual

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/yuin/goldmark/ast"

	"github.com/gatelab/gatelab/internal/suggest"
)

// Index is the name of the index page.
const Index = "README"

// Page is one page of the documentation.
type Page struct {
	Name     string // the file's path without .md, such as adr/0007-paired-gate
	Title    string // the first heading
	Source   string // Markdown
	Sections []Section
}

// Section is a heading and the text up to the next heading, for the search.
type Section struct {
	Title  string
	Anchor string // the id of the heading in the rendered page
	Text   string // without markup
}

// Manual is the documentation. It does not change, and is safe for concurrent use.
type Manual struct {
	pages []*Page
	menu  int // so many of the pages are the index and those that it links to
}

// Open reads every .md file of files. The index page comes first, then the pages in the
// order in which the index links to them, then the others by name.
func Open(files fs.FS) (*Manual, error) {
	m := &Manual{}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".md" {
			return err
		}
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return fmt.Errorf("read page: %w", err)
		}
		m.pages = append(m.pages, newPage(strings.TrimSuffix(name, ".md"), string(b)))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("documentation: %w", err)
	}
	index := m.page(Index)
	if index == nil {
		return nil, fmt.Errorf("documentation: no index page %s.md", Index)
	}
	order := map[string]int{Index: -1}
	for i, target := range links(parse([]byte(index.Source))) {
		if name, ok := pageName(Index, target); ok && order[name] == 0 {
			order[name] = i + 1
		}
	}
	slices.SortStableFunc(m.pages, func(a, b *Page) int { return rank(order, a) - rank(order, b) })
	for m.menu < len(m.pages) && rank(order, m.pages[m.menu]) < unlisted {
		m.menu++
	}
	return m, nil
}

// rank is a page's place: pages that the index does not name are last.
func rank(order map[string]int, p *Page) int {
	if n := order[p.Name]; n != 0 {
		return n
	}
	return unlisted
}

// unlisted is the rank of a page that the index does not name.
const unlisted = 1 << 20

// Pages are all pages in the order of the index.
func (m *Manual) Pages() []*Page { return m.pages }

// Menu is the index page and the pages that it links to, in its order.
func (m *Manual) Menu() []*Page { return m.pages[:m.menu] }

// Page finds a page by its name, in any case and with or without .md. The error lists a
// similar name.
func (m *Manual) Page(name string) (*Page, error) {
	name = strings.Trim(strings.TrimSuffix(name, ".md"), "/")
	if name == "" {
		name = Index
	}
	if p := m.page(name); p != nil {
		return p, nil
	}
	names := make([]string, len(m.pages))
	for i, p := range m.pages {
		names[i] = p.Name
	}
	return nil, fmt.Errorf("documentation: %w", suggest.Unknown("page", name, names))
}

func (m *Manual) page(name string) *Page {
	for _, p := range m.pages {
		if strings.EqualFold(p.Name, name) {
			return p
		}
	}
	return nil
}

func newPage(name, source string) *Page {
	p := &Page{Name: name, Title: name, Source: source}
	text := []byte(source)
	root := parse(text)
	current := Section{}
	for n := root.FirstChild(); n != nil; n = n.NextSibling() {
		h, ok := n.(*ast.Heading)
		if !ok {
			current.Text += plain(n, text) + "\n"
			continue
		}
		if current.Title != "" {
			p.Sections = append(p.Sections, current)
		}
		current = Section{Title: strings.TrimSpace(plain(h, text)), Anchor: anchor(h)}
		if h.Level == 1 && p.Title == name {
			p.Title = current.Title
		}
	}
	if current.Title != "" || strings.TrimSpace(current.Text) != "" {
		p.Sections = append(p.Sections, current)
	}
	return p
}

// plain is the text of a node without markup.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			if n.Type() == ast.TypeBlock {
				b.WriteByte(' ')
			}
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text:
			b.Write(n.Segment.Value(source))
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.CodeBlock, *ast.FencedCodeBlock:
			lines := n.Lines()
			for i := range lines.Len() {
				line := lines.At(i)
				b.Write(line.Value(source))
			}
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

func anchor(h *ast.Heading) string {
	id, ok := h.AttributeString("id")
	if !ok {
		return ""
	}
	b, _ := id.([]byte)
	return string(b)
}
