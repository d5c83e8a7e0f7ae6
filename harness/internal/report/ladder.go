package report

import (
	"fmt"
	"slices"
)

// rung is a stage and what it is against the others. Ratios to or from a stage
// that is not valid are nil: they would be as untrue as its figures.
type rung struct {
	*Stage
	VsFirst, VsPrevious *float64 // of QPS
	P99VsPrevious       *float64
	Note                string // what it gained and what it did not; may be empty
}

// ladder puts the stages into relation, in the order in which they were run.
func (r *Result) ladder() []rung {
	rungs := make([]rung, len(r.Stages))
	for i := range r.Stages {
		rungs[i].Stage = &r.Stages[i]
		if i == 0 {
			continue
		}
		now, before := rungs[i].Stage, rungs[i-1].Stage
		if now.Valid && r.Stages[0].Valid {
			rungs[i].VsFirst = divided(now.QPS, r.Stages[0].QPS)
		}
		if now.Valid && before.Valid {
			rungs[i].VsPrevious = divided(now.QPS, before.QPS)
			rungs[i].P99VsPrevious = divided(now.p99(), before.p99())
		}
		rungs[i].Note = replicaNote(rungs[i], before)
	}
	return rungs
}

// replicaNote says what more replicas bought. On the same cores they are
// capacity only where the replica itself was the limit.
func replicaNote(now rung, before *Stage) string {
	if now.Replicas <= before.Replicas || now.VsPrevious == nil {
		return ""
	}
	was := ""
	if before.Bottleneck != nil && before.Bottleneck.Component != "" {
		was = fmt.Sprintf(" (%s limited %s)", before.Bottleneck.Component, before.Name)
	}
	head := fmt.Sprintf("%d replicas in place of %d: %s the capacity", now.Replicas, before.Replicas, times(now.VsPrevious))
	if *now.VsPrevious >= 1.1 {
		return head + was + ", and the loss of one no longer takes the service down"
	}
	return head + ": a replica was not the limit" + was + "; what they buy is availability"
}

func (s *Stage) p50() *float64 {
	if s.LatencyMS == nil {
		return nil
	}
	return s.LatencyMS.P50
}

func (s *Stage) p99() *float64 {
	if s.LatencyMS == nil {
		return nil
	}
	return s.LatencyMS.P99
}

func (s *Stage) hitRatio() *float64 {
	if s.Cache == nil {
		return nil
	}
	return s.Cache.HitRatio
}

func (s *Stage) availability() *float64 {
	if s.Availability == nil {
		return nil
	}
	return &s.Availability.Availability
}

// cpuTotal is the CPU time of all components together, of one request.
func (s *Stage) cpuTotal() *float64 {
	if len(s.CPUPerRequestUS) == 0 {
		return nil
	}
	sum := 0.0
	for _, role := range s.roles() {
		sum += s.CPUPerRequestUS[role]
	}
	return &sum
}

// roleOrder is the order in which people read components: the way of a request.
func roleOrder() []string {
	return []string{"worker", "edge", "lb", "gateway", "redis", "postgres", "link", "origin"}
}

// roles are the components of which the CPU time is known.
func (s *Stage) roles() []string {
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

// roles are all components of all stages, in reading order.
func (r *Result) roles() []string {
	all := Stage{CPUPerRequestUS: map[string]float64{}}
	for i := range r.Stages {
		for role := range r.Stages[i].CPUPerRequestUS {
			all.CPUPerRequestUS[role] = 0
		}
	}
	return all.roles()
}

// open are the stage's open-loop attacks, by round.
func (s *Stage) open() []Attack {
	var out []Attack
	for _, a := range s.Attacks {
		if a.Model == Open {
			out = append(out, a)
		}
	}
	return out
}

// percentiles are the merged distribution's points, or the only round's.
func (s *Stage) percentiles() []Percentile {
	if len(s.Percentiles) > 0 {
		return s.Percentiles
	}
	if open := s.open(); len(open) == 1 {
		return open[0].Percentiles
	}
	return nil
}

// published reports whether anybody published figures of a stage.
func (r *Result) published() bool {
	return slices.ContainsFunc(r.Stages, func(s Stage) bool { return s.Published != nil })
}
