package fault

// KindRestart ends a node as KindStop does. It differs in the schedule: the node
// is started again at once.
const KindRestart = "restart"

func restart(n Node) stateChange { return stop(n) }
