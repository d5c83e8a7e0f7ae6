package serve

import (
	"bytes"
	"html/template"
	"net/http"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/manual"
)

const docsBase = "/docs/"

// maxQuery is how long a search may be, in bytes.
const maxQuery = 200

// tables lets wide tables scroll by themselves.
var tables = strings.NewReplacer(
	"<table>", `<div class="scroll" role="region" aria-label="Table" tabindex="0"><table>`, "</table>", "</table></div>",
)

// docsView is what the template of a page of the documentation shows.
type docsView struct {
	Title string
	Pages []*manual.Page // the menu
	Open  string         // the name of the page
	Body  template.HTML  // rendered from Markdown, without HTML of its own
	Query string
	Hits  []manual.Hit // of a search
}

// docs shows a page of the documentation.
func (s *server) docs(w http.ResponseWriter, q *http.Request) {
	p, err := s.manual.Page(q.PathValue("page"))
	if err != nil {
		s.problem(w, http.StatusNotFound, err.Error())
		return
	}
	var b bytes.Buffer
	if err := s.manual.HTML(&b, p, docsBase); err != nil {
		s.problem(w, http.StatusInternalServerError, err.Error())
		return
	}
	// The renderer escapes text and leaves HTML out.
	s.render(w, http.StatusOK, "docs.html.tmpl", docsView{
		Title: p.Title, Pages: s.manual.Menu(), Open: p.Name, Body: template.HTML(tables.Replace(b.String())),
	})
}

// searchDocs lists the sections that have every word of the query q.
func (s *server) searchDocs(w http.ResponseWriter, q *http.Request) {
	query := q.URL.Query().Get("q")
	if len(query) > maxQuery {
		s.problem(w, http.StatusBadRequest, "a search may have 200 bytes")
		return
	}
	s.render(w, http.StatusOK, "docs.html.tmpl", docsView{
		Title: "Search: " + query, Pages: s.manual.Menu(), Query: query, Hits: s.manual.Search(query),
	})
}
