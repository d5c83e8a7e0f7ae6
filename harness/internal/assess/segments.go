package assess

import (
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// segmentsOf are the segments of an attack's shape in the report; none: its rate stays.
func segmentsOf(m *Measurement, res *load.Result) (out []result.Segment) {
	var at time.Duration
	for i, s := range res.Segments {
		one := result.Segment{
			Name: segmentName(m.Stage, i), OffsetS: at.Seconds(), DurationS: s.For.Seconds(),
			FromQPS: s.From * res.Attack.Rate, ToQPS: s.To * res.Attack.Rate,
			Outcomes: result.Outcomes(s.Counts), Unsent: s.Unsent, LatencyMS: Latency(s.Corrected),
		}
		if s.Requests > 0 {
			one.ErrorRate = new(float64(s.Failed) / float64(s.Requests))
		}
		out = append(out, one)
		at += s.For
	}
	return out
}

// targetOf is the mean rate that an attack's shape asks for in a second of its measured window; nil where its rate stays.
func targetOf(res *load.Result) func(second int) *float64 {
	if !shaped(res) {
		return func(int) *float64 { return nil }
	}
	schedule := res.Attack.Schedule()
	return func(second int) *float64 {
		from := time.Duration(second) * time.Second
		length := min(time.Second, res.Attack.Duration-from)
		if length <= 0 {
			return nil
		}
		from += res.Attack.Warmup
		rate := (schedule.Count(from+length) - schedule.Count(from)) / length.Seconds()
		return &rate
	}
}

// judgeObjectives says which objectives are met: the stage's, and those of the segments of its shape, of all rounds together.
func (m *Measurement) judgeObjectives(s *result.Stage, open *load.Result) *result.SLO {
	out := s.Judge(m.Stage.SLO)
	if open == nil {
		return out
	}
	for i, one := range segmentsOf(m, open) {
		if i >= len(m.Stage.Load.Open.Shape) {
			break
		}
		out = out.Join(one.Judge(m.Stage.Load.Open.Shape[i].SLO, max(len(m.Open), 1)))
	}
	return out
}
