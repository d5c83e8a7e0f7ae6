package serve

import (
	"net/http"
	"strings"

	"gatelab/harness/internal/report"
)

// comparison is two runs side by side.
type comparison struct {
	First, Second run
	Stages        []report.Pairing
	Differences   [][3]string
}

// compare shows the runs a and b.
func (s *server) compare(w http.ResponseWriter, q *http.Request) {
	var c comparison
	var read [2]*report.Result
	for i, key := range []string{"a", "b"} {
		id := q.URL.Query().Get(key)
		folder, name, _ := strings.Cut(id, "/")
		if !allowed(folder, name) {
			s.problem(w, http.StatusBadRequest, "Name two runs to compare: the list has a column for each.")
			return
		}
		r, err := s.cache.read(s.root, id)
		if err != nil {
			s.problem(w, http.StatusNotFound, "The run "+id+" has no result that can be read.")
			return
		}
		read[i] = r
		*[]*run{&c.First, &c.Second}[i] = s.look(folder, name)
	}
	c.Stages, c.Differences = report.Against(read[0], read[1]), report.Differences(read[0], read[1])
	s.render(w, http.StatusOK, "compare.html.tmpl", c)
}
