package report

import (
	"fmt"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/slo"
)

// tile is one key figure of the summary.
type tile struct {
	What, Figure, Unit string
	More               string
	Goal, GoalState    string // "SLO p99 <= 180 ms: missed", and met or missed
}

// keyTiles are the key figures. What was not measured has no tile.
func keyTiles(r *result.Result) []tile {
	s := r.Final()
	if s == nil {
		return nil
	}
	if s.QPS == nil {
		return stageTiles(s.Stage)
	}
	capacity := tile{What: "Capacity", Figure: figure.Rounded(*s.QPS), Unit: "QPS", More: "closed-loop"}
	if s.VsFirst != nil {
		capacity.More += fmt.Sprintf(", %s of %s", figure.Times(s.VsFirst), r.Stages[0].Name)
	}
	if s.QPSOfCeiling != nil {
		capacity.More += ", " + figure.Percent(*s.QPSOfCeiling) + " of the null server's"
	}
	capacity.goalOf(s.Stage, slo.QPS)
	return append([]tile{capacity}, stageTiles(s.Stage)...)
}

// stageTiles are a stage's key figures beside its capacity.
func stageTiles(s *result.Stage) []tile {
	var out []tile
	at := "open-loop, corrected"
	if s.Load.OfferedQPS != nil {
		at = "at " + figure.Rounded(*s.Load.OfferedQPS) + " requests/s, open-loop"
	}
	if v := s.P50(); v != nil {
		t := tile{What: "Latency p50", Figure: figure.Rounded(*v), Unit: "ms", More: at}
		t.goalOf(s, slo.P50)
		out = append(out, t)
	}
	if v := s.P99(); v != nil {
		t := tile{What: "Latency p99", Figure: figure.Rounded(*v), Unit: "ms", More: at}
		if t.goalOf(s, slo.P99); t.Goal == "" && s.SLO != nil && s.SLO.P99MS != nil {
			t.goal(*v <= *s.SLO.P99MS, "SLO at most "+figure.Millis(*s.SLO.P99MS))
		}
		out = append(out, t)
	}
	if v := s.ErrorRate; v != nil {
		t := tile{What: "Errors", Figure: figure.Percent(*v), More: "of requests"}
		if t.goalOf(s, slo.Errors); t.Goal == "" && s.SLO != nil && s.SLO.ErrorRate != nil {
			t.goal(*v <= *s.SLO.ErrorRate, "SLO at most "+figure.Percent(*s.SLO.ErrorRate))
		}
		out = append(out, t)
	}
	if a := s.Availability; a != nil {
		t := tile{What: "Availability", Figure: figure.Percent(a.Availability),
			More: fmt.Sprintf("95%% interval %s to %s; %s of %s probes failed", figure.Percent(a.Low), figure.Percent(a.High),
				figure.Count(a.Failed), figure.Count(a.Probes))}
		t.goalOf(s, slo.Availability)
		out = append(out, t)
	}
	if v := s.HitRatio(); v != nil {
		t := tile{What: "Cache hits", Figure: figure.Percent(*v), More: "of what may be cached"}
		t.goalOf(s, slo.Hits)
		out = append(out, t)
	}
	if v := s.CPUTotalUS(); v != nil {
		out = append(out, tile{What: "CPU per request", Figure: figure.Rounded(*v), Unit: "us", More: "all components, generator included"})
	}
	return out
}

func (t *tile) goal(met bool, asked string) {
	t.GoalState = "missed"
	if met {
		t.GoalState = "met"
	}
	t.Goal = asked + ": " + t.GoalState
}

// limitFacts are the bottleneck of each stage, with its evidence.
func limitFacts(r *result.Result) []fact {
	var out []fact
	for i := range r.Stages {
		if s := &r.Stages[i]; s.Bottleneck != nil {
			out = append(out, fact{stageLabel(s), bottleneckText(s.Bottleneck)})
		}
	}
	return out
}
