package contest

import (
	"fmt"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// waitedShare is the part of the time-out towards an origin from which on an answer is one that waited for the broken origin first.
const waitedShare = 0.8

// tellFault puts what an arm did under a fault into its cell: how many requests failed, how many waited for the broken origin before
// another one answered, and how long after the fault the last of both was sent.
func tellFault(cell *result.MatrixCell, sent *load.Result, broke time.Time, timeout time.Duration) {
	cell.P50MS, cell.P99MS = sent.Corrected.Percentile(0.5), sent.Corrected.Percentile(0.99)
	at := broke.Sub(sent.Began)
	waited, healed := 0, time.Duration(0)
	for _, r := range sent.Raw {
		slow := r.Service >= time.Duration(waitedShare*float64(timeout))
		if r.OK && slow {
			waited++
		}
		if r.Sent >= at && (slow || !r.OK) {
			healed = max(healed, r.Sent-at)
		}
	}
	cell.Put(result.FigureFailed, float64(sent.Failed))
	cell.Put(result.FigureWaited, float64(waited))
	cell.Put(result.FigureHealed, float64(healed.Microseconds())/1e3)
	if sent.Failed > 0 {
		cell.Reasons = append(cell.Reasons, fmt.Sprintf("%d of %d requests failed: %s", sent.Failed, sent.Requests, kinds(sent)))
	}
}
