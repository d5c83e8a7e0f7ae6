package serve

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// comparison is two runs side by side.
type comparison struct {
	First, Second run
	Stages        []result.Pairing
	Differences   []result.Difference
}

// compare shows the runs a and b.
func (s *server) compare(w http.ResponseWriter, q *http.Request) {
	var c comparison
	var read [2]*result.Result
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
	c.Stages = result.Pair(read[0], read[1])
	c.Differences = result.Differences(read[0], read[1])
	s.render(w, http.StatusOK, "compare.html.tmpl", c)
}

// pairedFigure is a figure of a Pairing in its unit.
func pairedFigure(unit result.Unit, v *float64) string {
	switch unit {
	case result.UnitMS:
		return figure.MillisOr(v)
	case result.UnitShare:
		return figure.PercentOr(v)
	}
	return figure.RoundedOr(v)
}

// ratioText has two decimals, and two digits where the ratio is below 0.1.
func ratioText(v *float64) string {
	switch {
	case v == nil:
		return figure.NA
	case *v < 0.1:
		return fmt.Sprintf("%.2g", *v)
	}
	return fmt.Sprintf("%.2f", *v)
}
