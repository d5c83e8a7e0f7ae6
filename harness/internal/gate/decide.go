package gate

import (
	"fmt"

	"github.com/gatelab/gatelab/harness/internal/stats"
)

// Decision is what a record says.
type Decision struct {
	stats.Comparison
	Rounds int      // that were examined
	Looks  int      // 1, or 2 after the extension
	Notes  []string // what a reader should know beside the verdict
}

// Decide judges Head against Base from the first rounds of a record, with Again
// against Base as the A/A control. looks is 2 where the gate may look twice:
// before its one extension and after it.
func Decide(r *Record, rounds int) Decision {
	index := make([]int, rounds)
	for i := range index {
		index[i] = i + 1
	}
	d, notes := r.data(index, index, Head)
	d.Looks = r.looks()
	out := Decision{Comparison: stats.Compare(d), Rounds: rounds, Looks: 1, Notes: notes}
	if rounds > r.Rounds {
		out.Looks = 2
	}
	return out
}

// weaker is how many times wider the margins are against a baseline: what
// differs between two days on a host is not removed by pairing.
const weaker = 2

// Against judges the build that now measured as Base (there is no second one)
// against the build that a baseline accepted: CPU per request, and the share of
// the null server's ceiling that was reached in a closed loop, both unpaired and
// with margins twice as wide. Latency is not compared: it does not travel. A
// baseline from another kind of machine carries no verdict.
func Against(baseline, now *Record, rounds int) Decision {
	index := make([]int, rounds)
	for i := range index {
		index[i] = i + 1
	}
	control, _ := now.data(index, index, Again)
	d := stats.Data{Looks: now.looks()}
	for _, m := range control.Control {
		if isCPU(m.Name) {
			d.Control = append(d.Control, m)
		}
	}
	for _, w := range now.Workloads {
		cpu := stats.Metric{Name: w + " " + MetricCPU, Margin: weaker * now.Margins.CPU, Unpaired: true}
		share := stats.Metric{
			Name: w + " " + MetricShare, Margin: weaker * now.Margins.Throughput,
			Unpaired: true, HigherBetter: true, Advisory: true,
		}
		for _, s := range baseline.Samples {
			if s.Workload == w && s.Arm == baseline.accepted() {
				cpu.A, share.A = appended(cpu.A, s.CPUUS, 1), appended(share.A, s.QPS, baseline.Ceiling)
			}
		}
		for _, s := range now.Samples {
			if s.Workload == w && s.Arm == Base && s.Round <= rounds {
				cpu.B, share.B = appended(cpu.B, s.CPUUS, 1), appended(share.B, s.QPS, now.Ceiling)
			}
		}
		d.Metrics = append(d.Metrics, cpu)
		if len(share.A) > 0 && len(share.B) > 0 {
			d.Metrics = append(d.Metrics, share)
		}
	}
	out := Decision{Comparison: stats.Compare(d), Rounds: rounds, Looks: 1}
	if rounds > now.Rounds {
		out.Looks = 2
	}
	out.Notes = append(out.Notes,
		"WEAKER: compared with figures recorded on "+baseline.StartedAt.Format("2006-01-02")+", not with a build in the same run: "+
			"nothing is paired, margins are doubled, latency and errors are not compared; a second build (--base) says more")
	if a, b := baseline.Machine["cpu"], now.Machine["cpu"]; a != b || baseline.Machine["cores"] != now.Machine["cores"] {
		out.Verdict = stats.Inconclusive
		out.Reason = fmt.Sprintf("no verdict: the baseline was measured on %s cores of %q, this run on %s of %q",
			baseline.Machine["cores"], a, now.Machine["cores"], b)
	}
	return out
}

// accepted is the arm of a record that became the baseline.
func (r *Record) accepted() string {
	for _, s := range r.Samples {
		if s.Arm == Head {
			return Head
		}
	}
	return Base
}

func appended(list []float64, v *float64, by float64) []float64 {
	if v == nil || by <= 0 {
		return list
	}
	return append(list, *v/by)
}

func (r *Record) looks() int {
	if r.MaxRounds > r.Rounds {
		return 2
	}
	return 1
}

// data are the pairs of the given rounds: of arm against Base, and of the
// control, whose rounds may be others.
func (r *Record) data(rounds, control []int, arm string) (stats.Data, []string) {
	var d stats.Data
	var notes []string
	f := &stats.Failures{Margin: r.Margins.ErrorRate}
	for _, w := range r.Workloads {
		mine, left := r.metrics(w, arm, rounds)
		d.Metrics = append(d.Metrics, mine...)
		notes = append(notes, left...)
		same, left := r.metrics(w, Again, control)
		d.Control = append(d.Control, same...)
		if arm != Again {
			notes = append(notes, left...)
		}
		for _, n := range rounds {
			if s := r.sample(w, Base, n); s != nil {
				f.FailedA, f.AllA = f.FailedA+s.Failed, f.AllA+s.Requests
			}
			if s := r.sample(w, arm, n); s != nil {
				f.FailedB, f.AllB = f.FailedB+s.Failed, f.AllB+s.Requests
			}
		}
	}
	d.Failures = f
	if len(r.Workloads) > 1 {
		d.Metrics = append(d.Metrics, r.together(arm, rounds))
		d.Control = append(d.Control, r.together(Again, control))
	}
	return d, notes
}
