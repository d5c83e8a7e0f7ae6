package result

import (
	"strings"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/slo"
)

// SLO is what was asked of a stage, and whether it was met.
type SLO struct {
	P99MS     *float64 `json:"p99_ms,omitempty"`     // limit of an objective of p99, for readers from before Objectives
	ErrorRate *float64 `json:"error_rate,omitempty"` // likewise of errors
	// Met: every objective is. Absent: none was missed, and of one it is not known.
	Met        *bool       `json:"met,omitempty"`
	Objectives []Objective `json:"objectives,omitempty"`
}

// Objective is one of them.
type Objective struct {
	Objective string   `json:"objective"` // as in "p99{login}<250ms"
	Metric    string   `json:"metric"`
	Of        string   `json:"of,omitempty"`      // the request, role or node that it is of
	Segment   string   `json:"segment,omitempty"` // of the attack's shape, that it is of; empty: of all of it
	Op        string   `json:"op" jsonschema:"enum=<,enum=<=,enum=>,enum=>="`
	Limit     float64  `json:"limit"`
	Unit      slo.Unit `json:"unit"`
	Value     *float64 `json:"value,omitempty"`
	Met       *bool    `json:"met,omitempty"`     // absent: not known
	Unknown   string   `json:"unknown,omitempty"` // why it is not
}

// Judge says which objectives the stage's figures meet; nil without objectives.
func (s *Stage) Judge(all slo.Objectives) *SLO {
	if len(all) == 0 {
		return nil
	}
	out := &SLO{}
	met, known := true, true
	for _, o := range all {
		one := Objective{Objective: o.String(), Metric: o.Metric, Of: o.Of, Op: o.Op, Limit: o.Limit, Unit: o.Unit()}
		if one.Value, one.Unknown = s.Figure(o); one.Value != nil {
			one.Met = new(o.Met(*one.Value))
			met = met && *one.Met
		} else {
			known = false
		}
		out.Objectives = append(out.Objectives, one)
	}
	if known || !met {
		out.Met = &met
	}
	if limit, ok := all.Limit(slo.P99); ok {
		out.P99MS = &limit
	}
	if limit, ok := all.Limit(slo.Errors); ok {
		out.ErrorRate = &limit
	}
	return out
}

// Figure is the stage's value of what an objective is about, in the objective's unit; nil, and why, if it was not measured.
func (s *Stage) Figure(o slo.Objective) (v *float64, unknown string) {
	switch o.Metric {
	case slo.Errors:
		return s.errorsOf(o.Of)
	case slo.Availability:
		return orWhy(s.AvailabilityShare(), "there was no probe (load.probe)")
	case slo.QPS:
		return s.qpsOf(o.Of)
	case slo.Hits:
		return orWhy(s.HitRatio(), "no response said whether it was a hit")
	case slo.CPU:
		return s.cpuOf(o.Of)
	case slo.Memory:
		return s.memoryOf(o.Of)
	}
	return s.latencyOf(o)
}

func orWhy(v *float64, why string) (*float64, string) {
	if v != nil {
		return v, ""
	}
	return nil, why
}

// latencyOf is a percentile, the highest or the mean latency.
func (s *Stage) latencyOf(o slo.Objective) (*float64, string) {
	l := s.LatencyMS
	if o.Of != "" {
		l = nil
		if one, ok := s.MixLatencyMS[o.Of]; ok {
			l = &one
		}
	}
	if l == nil {
		return nil, "no open-loop attack measured it"
	}
	v := map[string]*float64{
		slo.P50: l.P50, slo.P90: l.P90, slo.P95: l.P95, slo.P99: l.P99, slo.P999: l.P999, slo.Max: l.Max, slo.Mean: l.Mean,
	}[o.Metric]
	return orWhy(v, "there were too few successes")
}

func (s *Stage) errorsOf(request string) (*float64, string) {
	if request == "" {
		return orWhy(s.ErrorRate, "nothing was sent")
	}
	o := s.Mix[request]
	if o.Requests == 0 {
		return nil, "no such request was sent"
	}
	return new(float64(o.Failed) / float64(o.Requests)), ""
}

func (s *Stage) qpsOf(request string) (*float64, string) {
	if request == "" && s.QPS != nil {
		return s.QPS, ""
	}
	var seconds float64
	var successes uint64
	for _, a := range s.Attacks {
		if a.Model == Open || s.Load.Model == Closed { // the attacks that Mix counts
			seconds, successes = seconds+a.DurationS, successes+a.Successes
		}
	}
	if request != "" {
		successes = s.Mix[request].Successes
	}
	if seconds == 0 {
		return nil, "nothing was sent"
	}
	rate := float64(successes) / seconds
	return &rate, ""
}

// gateway is the role that CPU and memory are of if nothing else is said.
const gateway = "gateway"

func (s *Stage) cpuOf(role string) (*float64, string) {
	if role == "" {
		role = gateway
	}
	v, ok := s.CPUPerRequestUS[role]
	if !ok {
		return nil, "no CPU time of " + role + " was read"
	}
	return &v, ""
}

// memoryOf is the highest memory of a node, or of any node of a role.
func (s *Stage) memoryOf(name string) (*float64, string) {
	if name == "" {
		name = gateway
	}
	most := 0.0
	for node, v := range s.MemoryPeakMiB {
		if node == name || strings.HasPrefix(node, name+"-") {
			most = max(most, v)
		}
	}
	if most == 0 {
		return nil, "no memory of " + name + " was read"
	}
	return &most, ""
}

// Objectives are those of all stages, with the name of the stage that each is of.
func (r *Result) Objectives() (out []StageObjective) {
	for i := range r.Stages {
		if r.Stages[i].SLO == nil {
			continue
		}
		for _, o := range r.Stages[i].SLO.Objectives {
			out = append(out, StageObjective{Stage: r.Stages[i].Name, Objective: o})
		}
	}
	return out
}

// StageObjective is an objective of a stage.
type StageObjective struct {
	Stage string
	Objective
}

// Text is the objective with the segment that it is of, if any: spike: p99<1s.
func (o Objective) Text() string {
	if o.Segment == "" {
		return o.Objective
	}
	return o.Segment + ": " + o.Objective
}

// Saw is the value in words, or why it is not known.
func (o Objective) Saw() string {
	if o.Value == nil {
		return "not known: " + o.Unknown
	}
	return sawText(o.Unit, *o.Value)
}

// sawText is a value as reports write it.
func sawText(u slo.Unit, v float64) string {
	switch u {
	case slo.Milliseconds:
		return figure.Millis(v)
	case slo.Share:
		return figure.Percent(v)
	case slo.PerSecond:
		return figure.Rounded(v) + "/s"
	}
	return figure.Rounded(v) + " " + string(u)
}

// Verdict is met, missed or not known.
func (o Objective) Verdict() string {
	switch {
	case o.Met == nil:
		return "not known"
	case *o.Met:
		return "met"
	}
	return "missed"
}

// Unmet are the objectives that were missed, or of which it is not known: what a run that has to meet them fails for.
func (r *Result) Unmet() (out []StageObjective) {
	for _, o := range r.Objectives() {
		if o.Met == nil || !*o.Met {
			out = append(out, o)
		}
	}
	return out
}

// Judge says which objectives the segment meets by itself, of so many rounds together; nil without objectives.
func (s *Segment) Judge(all slo.Objectives, rounds int) *SLO {
	alone := Stage{
		Load: Load{Model: Open}, LatencyMS: s.LatencyMS, ErrorRate: s.ErrorRate,
		Attacks: []Attack{{Model: Open, DurationS: s.DurationS * float64(rounds), Outcomes: s.Outcomes}},
	}
	out := alone.Judge(all)
	if out == nil {
		return nil
	}
	for i := range out.Objectives {
		out.Objectives[i].Segment = s.Name
	}
	return out
}

// Join adds what was asked of a part of a stage; either may be nil.
func (s *SLO) Join(part *SLO) *SLO {
	switch {
	case part == nil:
		return s
	case s == nil:
		return &SLO{Met: part.Met, Objectives: part.Objectives}
	}
	s.Objectives = append(s.Objectives, part.Objectives...)
	missed := func(one *SLO) bool { return one.Met != nil && !*one.Met }
	switch {
	case missed(s) || missed(part):
		s.Met = new(false)
	case part.Met == nil:
		s.Met = nil
	}
	return s
}
