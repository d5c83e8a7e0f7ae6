package result

// Phases of a row of a comparison, the keys of MatrixRow.Seconds.
const (
	PhaseStart   = "start"    // the arms of the row before are removed, and those of this one started and configured
	PhaseParity  = "parity"   // the probes
	PhaseRestart = "restart"  // new processes, before each round
	PhaseWarmUp  = "warm_up"  // what fills caches and connections
	PhaseOpen    = "open"     // turns of the open loop, with what reads the arm before and after each
	PhaseClosed  = "closed"   // the closed loop
	PhasePause   = "pause"    // rests between turns
	PhaseTrial   = "in_place" // what is measured once in place of rounds
)

// MatrixPhases are the phases in their order, and their names for readers.
func MatrixPhases() []struct{ Name, Title string } {
	return []struct{ Name, Title string }{
		{PhaseStart, "starts"}, {PhaseParity, "parity"}, {PhaseRestart, "restarts"}, {PhaseWarmUp, "warm-up"}, {PhaseOpen, "open loop"},
		{PhaseClosed, "closed loop"}, {PhasePause, "pauses"}, {PhaseTrial, "measured once"},
	}
}
