package result

import (
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/gatelab/gatelab/harness/internal/measure"
)

// Settle fills what follows from the rest: the schema's name, empty lists that
// JSON must show as [], the validity of the whole from its stages', and the
// remarks on published figures. Write calls it; twice does no harm.
func (r *Result) Settle() {
	r.Schema = SchemaV2
	dropUnmeasured(reflect.ValueOf(r))
	r.StartedAt, r.FinishedAt = r.StartedAt.UTC().Truncate(time.Millisecond), r.FinishedAt.UTC().Truncate(time.Millisecond)
	r.InvalidReasons = orEmpty(r.InvalidReasons)
	if r.Stages == nil {
		r.Stages = []Stage{}
	}
	for i := range r.Stages {
		s := &r.Stages[i]
		s.settle()
		for _, why := range s.InvalidReasons {
			r.addReason(s.Name + ": " + why)
		}
	}
	// A drill measures alerts, an overview sums up other runs, a matrix has cells, Postgres is asked without gateways.
	if len(r.Stages) == 0 && r.Drill == nil && r.Overview == nil && r.Matrix == nil && r.Scale == nil {
		r.addReason("no stage was measured")
	}
	r.Valid = len(r.InvalidReasons) == 0
}

// Warnings lists the warnings of all stages, each behind its stage's name.
func (r *Result) Warnings() []string {
	var out []string
	for i := range r.Stages {
		for _, warning := range r.Stages[i].Warnings {
			out = append(out, r.Stages[i].Name+": "+warning)
		}
	}
	return out
}

// dropUnmeasured takes out what is no number: a ratio of nothing to nothing was
// not measured, and JSON could not hold it.
func dropUnmeasured(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		if e := v.Elem(); e.Kind() == reflect.Float64 && v.CanSet() && !finite(e.Float()) {
			v.SetZero()
			return
		}
		dropUnmeasured(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				dropUnmeasured(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			dropUnmeasured(v.Index(i))
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			if e := v.MapIndex(k); e.Kind() == reflect.Float64 && !finite(e.Float()) {
				v.SetMapIndex(k, reflect.Value{})
			}
		}
	}
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func (r *Result) addReason(why string) {
	for _, known := range r.InvalidReasons {
		if known == why {
			return
		}
	}
	r.InvalidReasons = append(r.InvalidReasons, why)
}

func (s *Stage) settle() {
	s.Changes = orEmpty(s.Changes)
	s.Warnings = orEmpty(s.Warnings)
	s.InvalidReasons = orEmpty(s.InvalidReasons)
	for _, c := range s.Checks {
		if c.Verdict == measure.Invalid {
			s.addReason(c.String())
		}
		if why := c.String(); c.Verdict == measure.Warning && !slices.Contains(s.Warnings, why) {
			s.Warnings = append(s.Warnings, why)
		}
	}
	if !s.Valid && len(s.InvalidReasons) == 0 {
		s.InvalidReasons = append(s.InvalidReasons, "no reason was given")
	}
	s.Valid = len(s.InvalidReasons) == 0
	for i := range s.Attacks {
		if s.Attacks[i].Model == Closed {
			s.Attacks[i].LatencyMS = nil // a closed loop has no intended times to correct by
		}
	}
	if s.Load.Model == Closed {
		s.LatencyMS = nil
		s.ServiceLatencyMS = nil
		s.Percentiles = nil
	}
	if s.Published != nil {
		connections := 0
		if s.Load.Connections != nil {
			connections = *s.Load.Connections
		}
		s.Published.Remarks = s.Published.remarks(connections)
		if standing := s.compared(); standing != "" {
			s.Published.Remarks = append([]string{standing}, s.Published.Remarks...)
		}
	}
}

func (s *Stage) addReason(why string) {
	for _, known := range s.InvalidReasons {
		if known == why {
			return
		}
	}
	s.InvalidReasons = append(s.InvalidReasons, why)
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
