package fault

// KindRollingRestart stops each replica in turn, starts it and waits for it.
const KindRollingRestart = "rolling-restart"

func makeRollingRestart(s Spec, l Lab) (Fault, error) { return makeRollout(s, l, false) }
