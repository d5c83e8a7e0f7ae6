package compare

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/contest"
	"github.com/gatelab/gatelab/harness/internal/gate"
	"github.com/gatelab/gatelab/harness/internal/policy"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/stats"
	"github.com/gatelab/gatelab/harness/internal/sut"
)

// Services are two builds of any service, as programs or images, with the workloads that they are compared under.
type Services struct {
	session.Config
	Set       *policy.Set
	Base      func(name string) (*sut.System, error) // the first build, under a name
	Head      func(name string) (*sut.System, error)
	MaxRounds int // after the one extension; 0: twice the set's rounds
	Margins   gate.Margins
}

// referee decides between two builds of a service, by the rules of the gate of our own gateway.
type referee struct {
	trial
	excluded string // why there is nothing to decide: the head behaves differently
}

var _ contest.Referee = (*referee)(nil)

// GateServices measures both builds side by side, the base twice, and decides. The error is nil whatever the verdict.
func GateServices(ctx context.Context, o Services) (*GateOutcome, error) {
	var systems []*sut.System
	for _, arm := range []struct {
		name string
		make func(string) (*sut.System, error)
	}{{name: gate.Base, make: o.Base}, {name: gate.Head, make: o.Head}, {name: gate.Again, make: o.Base}} {
		s, err := arm.make(arm.name)
		if err != nil {
			return nil, err
		}
		systems = append(systems, s)
	}
	r, err := newReferee(&o, systems)
	if err != nil {
		return nil, err
	}
	out, err := contest.Run(ctx, contest.Options{Config: o.Config, Set: o.Set, Systems: systems, Referee: r})
	if out == nil {
		return nil, err
	}
	if err != nil && !errors.Is(err, session.ErrInvalid) { // the decision has taken that into account
		return nil, err
	}
	return &GateOutcome{Result: out.Result, Record: r.record, Decision: *r.decision, Dir: out.Dir}, nil
}

// newReferee refuses a set that could not decide anything.
func newReferee(o *Services, systems []*sut.System) (*referee, error) {
	if err := o.Margins.Validate(); err != nil {
		return nil, err
	}
	rounds, most := o.Set.Load.Rounds, o.MaxRounds
	looks := 1
	if most == 0 {
		most = 2 * rounds
	}
	if most > rounds {
		looks = 2
	}
	if needed := stats.NeededPairs(gate.PerWorkload*len(o.Set.Policies)+gate.InAll, looks); rounds < needed {
		return nil, fmt.Errorf("load.rounds: %d is not allowed for a gate of %d workloads: "+
			"want at least %d: fewer pairs cannot prove a regression", rounds, len(o.Set.Policies), needed)
	}
	if most < rounds {
		return nil, fmt.Errorf("max-rounds: %d is not allowed: want at least the file's %d rounds", most, rounds)
	}
	r := &referee{}
	r.arms = []string{gate.Base, gate.Head, gate.Again}
	r.record = &gate.Record{
		StartedAt: time.Now().UTC(), Machine: readings.Describe(), Margins: o.Margins, Rounds: rounds, MaxRounds: most,
		Workloads: o.Set.Names(), Arms: map[string]string{},
	}
	for _, s := range systems {
		r.record.Arms[s.Name] = s.About
	}
	return r, nil
}

// Excluded implements contest.Referee. A head that behaves differently is a regression; a base that does has nothing to be compared with.
func (r *referee) Excluded(arm, policy string, reasons []string) error {
	why := fmt.Sprintf("%s does not behave as it must under %s: %s", arm, policy, strings.Join(reasons, "; "))
	if arm != gate.Head {
		return errors.New(why + ": correct the probes or the service; a gate needs a base that passes them")
	}
	r.excluded = why
	r.decision = &gate.Decision{Comparison: stats.Comparison{Verdict: stats.Fail, Reason: why}}
	return nil
}

// Round implements contest.Referee.
func (r *referee) Round(n int, samples []gate.Sample) (more bool) {
	r.record.Samples = append(r.record.Samples, samples...)
	if n < r.record.Rounds {
		return true
	}
	if n != r.record.Rounds && n < r.record.MaxRounds {
		return true
	}
	d := r.decide(n)
	r.decision = &d
	return d.Verdict == stats.Inconclusive && n < r.record.MaxRounds
}

// Complete implements contest.Referee.
func (r *referee) Complete(s *session.Session) error {
	if r.decision == nil {
		if err := r.undecided(); err != nil {
			return err
		}
	}
	r.record.Ceiling = s.CeilingQPS
	r.name(s.Result.Matrix.Arms)
	if r.excluded == "" {
		for _, row := range s.Result.Matrix.Rows {
			for _, c := range row.Cells {
				if c.Outcome == result.CellInvalid {
					why := fmt.Sprintf("%s under %s is not valid: %s", c.Arm, row.Policy, strings.Join(c.Reasons, "; "))
					r.decision.Notes = append(r.decision.Notes, why)
					if c.Arm != gate.Head || r.decision.Verdict == stats.Pass {
						r.decision.Verdict, r.decision.Reason = stats.Inconclusive, "no verdict: "+why
					}
				}
			}
		}
	}
	s.Result.Comparison = comparison(r.record, *r.decision)
	s.Verdict("%s", r.decision.Line())
	return nil
}

// name tells the images' digests beside their names, which may be given to another image tomorrow.
func (r *referee) name(arms []result.MatrixArm) {
	for i := range arms {
		a := &arms[i]
		if _, digest, found := strings.Cut(a.Version, " "); found && !strings.Contains(r.record.Arms[a.Name], digest) {
			r.record.Arms[a.Name] += " (" + digest + ")"
		}
	}
}

// Tell implements contest.Referee.
func (r *referee) Tell(s *session.Session, dir string) error { return r.tell(s, dir) }
