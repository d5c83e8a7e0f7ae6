package stage

import (
	"fmt"
	"slices"

	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/session"
)

// Staff gives the stages as many workers as the session asks for, instead of their own number.
func (p *Plan) Staff(c session.Config) {
	for i := range p.Stages {
		if c.Workers > 0 {
			p.Stages[i].Topology.Workers = c.Workers
		}
	}
}

// Ask puts the session's objectives in the place of the stages' own, and refuses what cannot be judged. It also gives them their workers.
func (p *Plan) Ask(c session.Config) error {
	p.Staff(c)
	for i := range p.Stages {
		if len(c.Objectives) == 0 {
			break
		}
		if err := p.Stages[i].CheckObjectives(c.Objectives); err != nil {
			return fmt.Errorf("stage %s: %w", p.Stages[i].Name, err)
		}
		p.Stages[i].SLO = c.Objectives
	}
	if c.WantObjectives && !slices.ContainsFunc(p.Stages, func(s scenario.Stage) bool { return len(s.SLO) > 0 }) {
		return fmt.Errorf("fail-on slo: no stage of %s has objectives: want slo in the scenario, or --slo", p.Name)
	}
	return nil
}
