package report

import (
	"fmt"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/result"
)

// MatrixTime says in a line how long the rows of a comparison took, and what for; empty where the result does not tell.
func MatrixTime(x *result.Matrix) string {
	sums := map[string]float64{}
	whole, cells := 0.0, 0
	for i := range x.Rows {
		row := &x.Rows[i]
		for name, s := range row.Seconds {
			sums[name] += s
			whole += s
		}
		for j := range row.Cells {
			if o := row.Cells[j].Outcome; o == result.CellMeasured || o == result.CellInvalid {
				cells++
			}
		}
	}
	if whole == 0 || cells == 0 {
		return ""
	}
	return fmt.Sprintf("time: %.0f s for %d policies, %.1f s per policy and gateway: %s", whole, len(x.Rows), whole/float64(cells),
		phaseShares(sums, whole))
}

// phaseShares are the phases in their order, those of half a per cent and more.
func phaseShares(sums map[string]float64, whole float64) string {
	var parts []string
	for _, p := range result.MatrixPhases() {
		if share := sums[p.Name] / whole; share >= 0.005 {
			parts = append(parts, fmt.Sprintf("%s %.0f%%", p.Title, 100*share))
		}
	}
	return strings.Join(parts, ", ")
}
