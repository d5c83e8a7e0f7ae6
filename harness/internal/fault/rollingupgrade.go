package fault

// KindRollingUpgrade is a rolling restart with nodes that are made anew.
const KindRollingUpgrade = "rolling-upgrade"

func makeRollingUpgrade(s Spec, l Lab) (Fault, error) { return makeRollout(s, l, true) }
