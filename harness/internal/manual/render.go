package manual

import (
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// markdown is GitHub's dialect. HTML in a page is left out.
func markdown() goldmark.Markdown {
	return goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithParserOptions(parser.WithAutoHeadingID()))
}

func parse(source []byte) ast.Node {
	return markdown().Parser().Parse(text.NewReader(source), parser.WithContext(parser.NewContext(parser.WithIDs(&headingIDs{}))))
}

// HTML writes a page as HTML, without head and body. Links to other pages begin with
// base, and links to published reports are served by the page that lists runs. A link
// to another file of the project is shown as its text, because it is not served.
func (m *Manual) HTML(w io.Writer, p *Page, base string) error {
	source := []byte(p.Source)
	root := parse(source)
	err := ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Link:
			n.Destination = []byte(m.served(p, string(n.Destination), base))
		case *ast.Image:
			n.Destination = []byte(m.served(p, string(n.Destination), base))
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		return fmt.Errorf("render %s: %w", p.Name, err)
	}
	unlink(root)
	if err := markdown().Renderer().Render(w, source, root); err != nil {
		return fmt.Errorf("render %s: %w", p.Name, err)
	}
	return nil
}

// served is where a link of a page leads in the browser; "" if nowhere.
func (m *Manual) served(p *Page, target, base string) string {
	u, err := url.Parse(target)
	if err != nil {
		return ""
	}
	if u.IsAbs() || u.Path == "" {
		return target
	}
	if name, ok := pageName(p.Name, target); ok && m.page(name) != nil {
		return fragment(base+name, u)
	}
	full := path.Join("docs", path.Dir(p.Name), u.Path)
	if run, ok := strings.CutPrefix(full, "reports/published/"); ok {
		if strings.HasSuffix(run, "/report.md") {
			run = strings.TrimSuffix(run, "report.md")
		}
		return "/run/published/" + run
	}
	return ""
}

func fragment(address string, u *url.URL) string {
	if u.Fragment == "" {
		return address
	}
	return address + "#" + u.Fragment
}

// unlink replaces links that lead nowhere by their text.
func unlink(root ast.Node) {
	var dead []*ast.Link
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if l, ok := n.(*ast.Link); ok && entering && len(l.Destination) == 0 {
			dead = append(dead, l)
		}
		return ast.WalkContinue, nil
	})
	for _, l := range dead {
		parent := l.Parent()
		for c := l.FirstChild(); c != nil; c = l.FirstChild() {
			parent.InsertBefore(parent, l, c)
		}
		parent.RemoveChild(parent, l)
	}
}

// links are the destinations of all links below a node, in order.
func links(root ast.Node) (all []string) {
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if l, ok := n.(*ast.Link); ok && entering {
			all = append(all, string(l.Destination))
		}
		return ast.WalkContinue, nil
	})
	return all
}

// pageName is the name of the page to which a relative link of page from leads.
func pageName(from, target string) (string, bool) {
	u, err := url.Parse(target)
	if err != nil || u.IsAbs() || path.Ext(u.Path) != ".md" {
		return "", false
	}
	name := path.Join(path.Dir(from), strings.TrimSuffix(u.Path, ".md"))
	return name, !strings.HasPrefix(name, "..")
}

// headingIDs gives headings the ids that forges give them: lower case, spaces as
// hyphens, other punctuation dropped, and a number after a repeated one.
type headingIDs struct{ used map[string]int }

// Generate implements parser.IDs.
func (h *headingIDs) Generate(value []byte, _ ast.NodeKind) []byte {
	id := Anchor(string(value))
	if h.used == nil {
		h.used = map[string]int{}
	}
	n := h.used[id]
	h.used[id]++
	if n > 0 {
		id = fmt.Sprintf("%s-%d", id, n)
	}
	return []byte(id)
}

// Put implements parser.IDs.
func (h *headingIDs) Put(value []byte) {
	if h.used == nil {
		h.used = map[string]int{}
	}
	h.used[string(value)]++
}

// Anchor is the id of a heading with this text.
func Anchor(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(heading)) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r > 127:
			b.WriteRune(r)
		}
	}
	return b.String()
}
