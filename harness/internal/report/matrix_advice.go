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
		{result.CellFailed, "could not be obtained, started or configured", "see the reason above and in " + logs +
			" (ARM-POLICY.log); to leave out an arm or a policy, use --with and --policy"},
		{result.CellExcluded, "behaved differently from the policy", "see the difference above and the log of the arm in " + logs +
			"; correct the configuration or version of the arm, or leave out the policy with --policy: there are no figures without parity"},
		{result.CellInvalid, "have figures that must not be used", "see the reason above; if an arm cannot handle the rate, use --rate;" +
			" if the machine was busy, run again when it is idle, with --profile full"},
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
