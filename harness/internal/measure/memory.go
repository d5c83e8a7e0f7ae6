package measure

import "fmt"

// memoryCheck is the name of the check that memory was read from the nodes' own
// control groups.
const memoryCheck = "memory"

// NodeMemory is the most memory that a node was seen to use.
type NodeMemory struct {
	Node  string
	Bytes uint64
	Limit uint64 // bytes; 0: none, or not enforced
}

// overLimit is how far above its limit a node may be read: the kernel charges
// pages in batches by core.
const overLimit = 0.02

// memory is about the readings, not about the nodes: the kernel kills a node
// before it uses more than its limit. More than that was read from another
// control group, as that of the whole machine, and so was the node's CPU time.
func (f Facts) memory() Check {
	const limit = "no node above its memory limit, none above the host's memory"
	if len(f.Memory) == 0 {
		return skip(memoryCheck, limit, unknown)
	}
	var most NodeMemory
	for _, n := range f.Memory {
		saw := fmt.Sprintf("%s used %d MiB", n.Node, n.Bytes>>20)
		switch {
		case n.Limit > 0 && float64(n.Bytes) > float64(n.Limit)*(1+overLimit):
			return judge(memoryCheck, limit, true, Invalid, "%s of at most %d MiB", saw, n.Limit>>20)
		case f.HostMemory > 0 && n.Bytes > f.HostMemory:
			return judge(memoryCheck, limit, true, Invalid, "%s, the host has %d MiB", saw, f.HostMemory>>20)
		case n.Bytes > most.Bytes:
			most = n
		}
	}
	return judge(memoryCheck, limit, false, OK, "at most %d MiB, on %s", most.Bytes>>20, most.Node)
}
