package result

import "slices"

// P50 is the median of the corrected latency in ms; nil where it was not measured.
func (s *Stage) P50() *float64 {
	if s.LatencyMS == nil {
		return nil
	}
	return s.LatencyMS.P50
}

// P99 is the 99th percentile of the corrected latency in ms; nil where it was not
// measured.
func (s *Stage) P99() *float64 {
	if s.LatencyMS == nil {
		return nil
	}
	return s.LatencyMS.P99
}

// HitRatio is the cache's, 0 to 1; nil where it was not measured.
func (s *Stage) HitRatio() *float64 {
	if s.Cache == nil {
		return nil
	}
	return s.Cache.HitRatio
}

// AvailabilityShare is the share of good probes, 0 to 1; nil without probes.
func (s *Stage) AvailabilityShare() *float64 {
	if s.Availability == nil {
		return nil
	}
	return &s.Availability.Availability
}

// CPUTotalUS is the CPU time per request of all components together, in us; nil
// where none was measured.
func (s *Stage) CPUTotalUS() *float64 {
	if len(s.CPUPerRequestUS) == 0 {
		return nil
	}
	sum := 0.0
	for _, role := range s.Roles() {
		sum += s.CPUPerRequestUS[role]
	}
	return &sum
}

// roleOrder is the order of components along the path of a request.
func roleOrder() []string {
	return []string{"worker", "edge", "lb", "gateway", "redis", "postgres", "link", "origin", "collector"}
}

// Roles are the components with a known CPU time, in the order of roleOrder, then
// by name.
func (s *Stage) Roles() []string {
	var out []string
	for _, role := range roleOrder() {
		if _, ok := s.CPUPerRequestUS[role]; ok {
			out = append(out, role)
		}
	}
	var others []string
	for role := range s.CPUPerRequestUS {
		if !slices.Contains(out, role) {
			others = append(others, role)
		}
	}
	slices.Sort(others)
	return append(out, others...)
}

// Roles are the components of all stages, in the order of Stage.Roles.
func (r *Result) Roles() []string {
	all := Stage{CPUPerRequestUS: map[string]float64{}}
	for i := range r.Stages {
		for role := range r.Stages[i].CPUPerRequestUS {
			all.CPUPerRequestUS[role] = 0
		}
	}
	return all.Roles()
}

// OpenAttacks are the stage's open-loop attacks, in order of rounds.
func (s *Stage) OpenAttacks() []Attack {
	var out []Attack
	for _, a := range s.Attacks {
		if a.Model == Open {
			out = append(out, a)
		}
	}
	return out
}

// Distribution are the points of the corrected latency's distribution: the merged
// ones, else those of the only round.
func (s *Stage) Distribution() []Percentile {
	if len(s.Percentiles) > 0 {
		return s.Percentiles
	}
	if open := s.OpenAttacks(); len(open) == 1 {
		return open[0].Percentiles
	}
	return nil
}

// LastRound is the highest round with an attack; 0 without attacks.
func (s *Stage) LastRound() int {
	n := 0
	for _, a := range s.Attacks {
		n = max(n, a.Round)
	}
	return n
}
