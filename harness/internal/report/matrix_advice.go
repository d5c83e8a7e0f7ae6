package report

import (
	"fmt"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/result"
)

// MatrixAdvice says what to do about the cells of a comparison without figures that may be used: one line for each outcome that there is.
// logs is the folder of the nodes' logs.
func MatrixAdvice(x *result.Matrix, logs string) []string {
	var out []string
	for _, kind := range []struct{ outcome, what, next string }{
		{result.CellFailed, "could not be had, started or configured", "read why above and in " + logs +
			" (ARM-POLICY.log); leave an arm out with --with, a policy with --policy"},
		{result.CellExcluded, "behaved otherwise than the policy says", "the difference is above, the arm's log in " + logs +
			"; correct the arm's configuration or version, or leave the policy out with --policy: there is no figure without parity"},
		{result.CellInvalid, "have figures that may not be used", "the reason is above; for a rate that an arm does not carry: --rate;" +
			" for a busy machine: run again when it is idle, with --profile full"},
	} {
		if cells := cellsOf(x, kind.outcome); len(cells) > 0 {
			out = append(out, fmt.Sprintf("%s: %s %s; next: %s", kind.outcome, strings.Join(cells, ", "), kind.what, kind.next))
		}
	}
	return out
}

// cellsOf names the cells of an outcome.
func cellsOf(x *result.Matrix, outcome string) []string {
	var out []string
	for i := range x.Rows {
		for j := range x.Rows[i].Cells {
			if c := &x.Rows[i].Cells[j]; c.Outcome == outcome {
				out = append(out, c.Arm+" under "+x.Rows[i].Policy)
			}
		}
	}
	return out
}
