package report

import "fmt"

// tile is one key figure of the summary.
type tile struct {
	What, Figure, Unit string
	More               string
	Goal, GoalState    string // "SLO p99 <= 180 ms: missed", and met or missed
}

// final is the last valid stage that was measured, which the key figures are
// of: with a capacity where there is one, else with a latency. It is nil where
// there is none.
func (r *Result) final() *rung {
	rungs := r.ladder()
	for _, measured := range []func(*Stage) bool{
		func(s *Stage) bool { return s.QPS != nil },
		func(s *Stage) bool { return s.LatencyMS != nil && s.Load.OfferedQPS != nil },
	} {
		for i := len(rungs) - 1; i >= 0; i-- {
			if rungs[i].Valid && measured(rungs[i].Stage) {
				return &rungs[i]
			}
		}
	}
	return nil
}

// tiles are the key figures. What was not measured has no tile.
func (r *Result) tiles() []tile {
	s := r.final()
	if s == nil {
		return nil
	}
	if s.QPS == nil {
		return s.tiles()
	}
	capacity := tile{What: "Capacity", Figure: figure(*s.QPS), Unit: "QPS", More: "closed-loop"}
	if s.VsFirst != nil {
		capacity.More += fmt.Sprintf(", %s of %s", times(s.VsFirst), r.Stages[0].Name)
	}
	if s.QPSOfCeiling != nil {
		capacity.More += ", " + percent(*s.QPSOfCeiling) + " of the null server's"
	}
	return append([]tile{capacity}, s.tiles()...)
}

// tiles are a stage's key figures beside its capacity.
func (s *Stage) tiles() []tile {
	var out []tile
	at := "open-loop, corrected"
	if s.Load.OfferedQPS != nil {
		at = "at " + figure(*s.Load.OfferedQPS) + " requests/s, open-loop"
	}
	if v := s.p50(); v != nil {
		out = append(out, tile{What: "Latency p50", Figure: figure(*v), Unit: "ms", More: at})
	}
	if v := s.p99(); v != nil {
		t := tile{What: "Latency p99", Figure: figure(*v), Unit: "ms", More: at}
		if s.SLO != nil && s.SLO.P99MS != nil {
			t.goal(*v <= *s.SLO.P99MS, "SLO at most "+span(*s.SLO.P99MS))
		}
		out = append(out, t)
	}
	if v := s.ErrorRate; v != nil {
		t := tile{What: "Errors", Figure: percent(*v), More: "of requests"}
		if s.SLO != nil && s.SLO.ErrorRate != nil {
			t.goal(*v <= *s.SLO.ErrorRate, "SLO at most "+percent(*s.SLO.ErrorRate))
		}
		out = append(out, t)
	}
	if a := s.Availability; a != nil {
		out = append(out, tile{What: "Availability", Figure: percent(a.Availability),
			More: fmt.Sprintf("95%% interval %s to %s; %s of %s probes failed", percent(a.Low), percent(a.High), grouped(float64(a.Failed)), grouped(float64(a.Probes)))})
	}
	if v := s.hitRatio(); v != nil {
		out = append(out, tile{What: "Cache hits", Figure: percent(*v), More: "of what may be cached"})
	}
	if v := s.cpuTotal(); v != nil {
		out = append(out, tile{What: "CPU per request", Figure: figure(*v), Unit: "us", More: "all components, generator included"})
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

// limits are what limits each stage, by evidence.
func (r *Result) limits() []fact {
	var out []fact
	for i := range r.Stages {
		if s := &r.Stages[i]; s.Bottleneck != nil {
			out = append(out, fact{s.label(), s.Bottleneck.String()})
		}
	}
	return out
}
