package result

// Kind is what a run was made for.
type Kind string

// The kinds of runs.
const (
	KindScenario   Kind = "scenario"   // stages of a scenario
	KindExperiment Kind = "experiment" // faults under load
	KindCapacity   Kind = "capacity"   // the highest rate within an SLO
	KindGate       Kind = "gate"       // two builds
	KindComparison Kind = "comparison" // several gateways
	KindDrill      Kind = "drill"      // alerts
	KindOverview   Kind = "overview"   // many experiments
	KindScale      Kind = "scale"      // what shared servers carry
)

// Kinds are all of them.
func Kinds() []Kind {
	return []Kind{KindScenario, KindExperiment, KindCapacity, KindGate, KindComparison, KindDrill, KindOverview, KindScale}
}

// Kind is the run's.
func (r *Result) Kind() Kind {
	switch {
	case r.Scale != nil:
		return KindScale
	case r.Overview != nil:
		return KindOverview
	case r.Drill != nil:
		return KindDrill
	case r.Comparison != nil: // a gate of services has a matrix as well
		return KindGate
	case r.Matrix != nil:
		return KindComparison
	case len(r.Capacity) > 0:
		return KindCapacity
	case r.Experiment != nil:
		return KindExperiment
	}
	return KindScenario
}
