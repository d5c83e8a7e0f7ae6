package contest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/gate"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/policy"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/sut"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// Referee decides about arms that run as they are, under every policy in every round.
type Referee interface {
	// Excluded is told that an arm does not behave as it must; measuring then ends.
	Excluded(arm, policy string, reasons []string) error
	// Round is given a round's samples, counted from 1, and says whether there is to be another one.
	Round(n int, samples []gate.Sample) (more bool)
	// Complete puts the decision into the result, and Tell writes files beside the report; see session.Program.
	Complete(s *session.Session) error
	Tell(s *session.Session, dir string) error
}

// workload is one policy of an interleaved comparison.
type workload struct {
	measurer *measurer
	row      result.MatrixRow
	arms     []*arm
}

// interleaved measures every policy in every round, until the referee has seen enough. The arms are started once, and restarted between
// rounds.
func (c *contest) interleaved(ctx context.Context, s *session.Session) error {
	workloads := make([]workload, len(c.Set.Policies))
	for i := range c.Set.Policies {
		p := &c.Set.Policies[i]
		w := &workloads[i]
		w.row = c.newRow(p)
		m, err := c.measurer(s, p, w.row.OfferedQPS)
		if err != nil {
			return err
		}
		m.keep = true
		w.measurer = m
		if err := c.enter(ctx, s, p, w, i == 0); err != nil {
			return err
		}
	}
	for n := 1; ; n++ {
		samples, err := c.oneRound(ctx, s, workloads, n)
		if err != nil {
			if n > 1 {
				c.rows(workloads, n-1)
			}
			return fmt.Errorf("round %d: %w", n, err)
		}
		if !c.Referee.Round(n, samples) {
			c.rows(workloads, n)
			break
		}
	}
	c.versions(s.Lab.Info(ctx))
	return nil
}

// rows puts the first rounds of all workloads into the matrix.
func (c *contest) rows(workloads []workload, rounds int) {
	for i := range workloads {
		for _, a := range workloads[i].arms {
			a.runs = a.runs[:min(rounds, len(a.runs))]
		}
		c.conclude(workloads[i].arms)
		c.matrix.Rows = append(c.matrix.Rows, workloads[i].row)
	}
}

// enter makes a policy's arms, and has them attested. Their nodes are the same for all policies.
func (c *contest) enter(ctx context.Context, s *session.Session, p *policy.Policy, w *workload, first bool) error {
	for i, system := range c.Systems {
		a := &arm{cell: &w.row.Cells[i], Arm: sut.Arm{
			System: system, Policy: p, Layout: s.Lab.Layout(), Origin: s.Lab.Addr(topology.RoleOrigin, topology.PortOrigin), Cores: cores(),
		}}
		if why := system.Lacks(p); why != "" {
			return fmt.Errorf("policy %s, %s: %s", p.Name, system.Name, why)
		}
		w.arms = append(w.arms, a)
	}
	if first {
		if err := c.raise(ctx, s, w.arms); err != nil {
			return err
		}
	}
	for _, a := range w.arms {
		if a.cell.Outcome != "" {
			return fmt.Errorf("%s cannot be measured: %s", a.System.Name, strings.Join(a.cell.Reasons, "; "))
		}
	}
	kept, err := c.attest(ctx, s, p, w.arms)
	if err != nil || len(kept) == len(w.arms) {
		return err
	}
	for _, a := range w.arms {
		if a.cell.Outcome == result.CellExcluded {
			c.matrix.Rows = append(c.matrix.Rows, w.row)
			return errors.Join(errExcluded, c.Referee.Excluded(a.System.Name, p.Name, a.cell.Reasons))
		}
	}
	return nil
}

// errExcluded ends the measuring; it is no error of the run.
var errExcluded = errors.New("an arm does not behave as it must")

// oneRound measures all policies once, on processes that are new.
func (c *contest) oneRound(ctx context.Context, s *session.Session, workloads []workload, n int) ([]gate.Sample, error) {
	defer s.Stage(fmt.Sprintf("round %d", n))()
	c.doing("round %d", n)
	if n > 1 {
		if err := workloads[0].measurer.atOnce(ctx, workloads[0].arms, workloads[0].measurer.renew); err != nil {
			return nil, err
		}
	}
	began := time.Now()
	var samples []gate.Sample
	for i := range workloads {
		w := &workloads[i]
		if err := w.measurer.round(ctx, n, w.arms); err != nil {
			return nil, err
		}
		for _, a := range w.arms {
			if a.lost != nil {
				return nil, fmt.Errorf("%s: %w", a.System.Name, a.lost)
			}
			one, err := sampleOf(a, w.row.Policy, n)
			if err != nil {
				return nil, err
			}
			samples = append(samples, *one)
		}
	}
	s.Step("round %d: %s (%.0f s)", n, samplesLine(samples), time.Since(began).Seconds())
	return samples, nil
}

// samplesLine is a round in one line: every arm's CPU time per request.
func samplesLine(samples []gate.Sample) string {
	var said []string
	for i := range samples {
		if s := &samples[i]; s.CPUUS != nil {
			said = append(said, fmt.Sprintf("%s %s %.0f us", s.Workload, s.Arm, *s.CPUUS))
		}
	}
	return strings.Join(said, ", ")
}

// sampleOf is what an arm's turns of a round say together.
func sampleOf(a *arm, workload string, n int) (*gate.Sample, error) {
	r := &a.runs[n-1]
	all, err := load.Merge(r.Results)
	if err != nil {
		return nil, err
	}
	out := &gate.Sample{
		Workload: workload, Round: n, Arm: a.System.Name, BeganAt: all.Began, OfferedQPS: all.Attack.Rate,
		Requests: all.Requests, Failed: all.Failed, MemoryMiB: new(float64(r.MemoryBytes) / (1 << 20)),
	}
	for q, to := range map[float64]**float64{0.5: &out.P50MS, 0.9: &out.P90MS, 0.99: &out.P99MS} {
		if v, ok := r.Quantile(q); ok && all.Corrected.Percentile(q) != nil {
			*to = &v
		}
	}
	if all.Sent > 0 && r.CPUSeconds > 0 {
		out.CPUUS = new(r.CPUSeconds / float64(all.Sent) * 1e6)
	}
	if r.closed != nil && r.closed.QPS() > 0 {
		out.QPS = new(r.closed.QPS())
	}
	for _, check := range measure.Run(facts(all, r.Machine)) {
		if check.Verdict != measure.Invalid || !assess.OfGenerator(check.Name) {
			continue
		}
		out.Excluded = append(out.Excluded, check.String())
		if check.Name != measure.SendLag {
			out.Pressed = append(out.Pressed, check.String())
		}
	}
	return out, nil
}
