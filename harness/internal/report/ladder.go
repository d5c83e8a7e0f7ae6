package report

import (
	"fmt"
	"slices"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// replicaNote says what additional replicas changed. On the same cores they add
// capacity only where the replica itself was the bottleneck.
func replicaNote(now result.Rung) string {
	before := now.Previous
	if before == nil || now.Replicas <= before.Replicas || now.VsPrevious == nil {
		return ""
	}
	was := ""
	if before.Bottleneck != nil && before.Bottleneck.Component != "" {
		was = fmt.Sprintf(" (%s limited %s)", before.Bottleneck.Component, before.Name)
	}
	head := fmt.Sprintf("%d replicas instead of %d: %s the capacity", now.Replicas, before.Replicas, figure.Times(now.VsPrevious))
	if *now.VsPrevious >= 1.1 {
		return head + was + ", and the loss of one replica no longer interrupts the service"
	}
	return head + ": the replica was not the bottleneck" + was + "; the additional replicas improve only availability"
}

// anyPublished reports whether a stage has published figures.
func anyPublished(r *result.Result) bool {
	return slices.ContainsFunc(r.Stages, func(s result.Stage) bool { return s.Published != nil })
}
