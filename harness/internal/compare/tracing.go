package compare

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gatelab/gatelab/harness/internal/gate"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/stage"
)

// checkTracing says what is wrong with a head that traces.
func checkTracing(o GateOptions, stages []scenario.Stage) error {
	switch {
	case o.Tracing == nil:
		return nil
	case !(*o.Tracing >= 0 && *o.Tracing <= 1):
		return fmt.Errorf("head-tracing: %v is not allowed: want a share of the requests, 0 to 1", *o.Tracing)
	case o.Baseline != "":
		return errors.New("head-tracing: is not allowed with a baseline: its rounds were recorded without: want a base that is built")
	case slices.ContainsFunc(stages, func(s scenario.Stage) bool { return s.Topology.Tracing.On }):
		return errors.New("head-tracing: is not allowed with a scenario whose gateways all trace: want one without topology.tracing")
	}
	return nil
}

// entities are those of an arm, on the i-th replica.
func (b *bench) entities(arm string, i int) map[string]any {
	out, _ := apart(stage.Entities(&b.stages[0], b.session.Lab), i).(map[string]any)
	if arm != gate.Head {
		return out
	}
	return b.options.traced(out, b.session.Lab.Layout())
}

// traced are the head's entities with the plugin by which it traces, where it is to.
func (o *GateOptions) traced(entities map[string]any, l lab.Layout) map[string]any {
	if o.Tracing == nil {
		return entities
	}
	plugins, _ := entities["plugins"].([]any)
	entities["plugins"] = append(slices.Clone(plugins), stage.TracingPlugin(*o.Tracing, l))
	return entities
}
