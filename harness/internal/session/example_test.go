package session_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/gatelab/gatelab/harness/internal/lab/labtest"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// printer is an observer that prints the kinds of events.
type printer struct{}

func (printer) Observe(e session.Event) {
	switch e.Kind {
	case session.StageBegin, session.StageEnd:
		fmt.Println(e.Kind, e.Stage)
	case session.Verdict:
		fmt.Println(e.Kind, e.Text)
	default:
		fmt.Println(e.Kind)
	}
}

// A program measures in the lab, completes its result when the lab is gone, and is reported. Observers are told all the way.
func ExampleRun() {
	reports, err := os.MkdirTemp("", "reports-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(reports)
	rt := labtest.New() // within this process, in place of containers
	config := session.Config{
		Profile: "smoke", Reports: reports, Observer: printer{},
		Existing: &session.Runtime{Runtime: rt, Name: "test"},
	}
	plan := session.Plan{Name: "count-replicas", Topology: topology.Topology{Replicas: 2}}
	out, err := session.Run(context.Background(), config, plan, session.Program{
		Measure: func(_ context.Context, s *session.Session) error {
			defer s.Stage("count")()
			replicas := len(s.Lab.Nodes(topology.RoleGateway))
			s.Result.Stages = append(s.Result.Stages, result.Stage{Name: "count", Valid: true, Replicas: replicas})
			return nil
		},
		Complete: func(s *session.Session) error {
			if len(s.Result.Stages) == 0 {
				return errors.New("nothing was counted")
			}
			s.Verdict("%d replicas", s.Result.Stages[0].Replicas)
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("valid:", out.Result.Valid)
	// Output:
	// begin
	// step
	// step
	// stage-begin count
	// stage-end count
	// step
	// verdict 2 replicas
	// end
	// valid: true
}
