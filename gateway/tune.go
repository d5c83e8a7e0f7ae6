package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// tuned is what tune set, for the log, and the memory that it holds.
type tuned struct {
	procs       int
	gcPercent   int
	memoryLimit int64
	floor       []byte
}

// tune fits the Go runtime into the container. GOMAXPROCS, GOGC and GOMEMLIMIT
// from the environment stay where the setting beside them was left at its
// default.
//
// With a heap of a few MiB, as a gateway without a cache has, the collector
// would run many times a second. So the heap is given a floor: a block that is
// never written to, and so takes address space but no memory, yet counts as
// heap when the next collection is planned.
func tune(s *settings, isDefault func(name string) bool, root string) tuned {
	theirs := func(variable, name string) bool { return os.Getenv(variable) != "" && isDefault(name) }
	if s.maxProcs > 0 {
		runtime.GOMAXPROCS(s.maxProcs)
	}
	t := tuned{procs: runtime.GOMAXPROCS(0)}
	if s.gcFloor > 0 && s.gcPercent >= 0 {
		// Plus gc_percent of it is when the first collection comes.
		t.floor = make([]byte, s.gcFloor*100/int64(100+s.gcPercent))
	}
	if !theirs("GOGC", "gc_percent") {
		debug.SetGCPercent(s.gcPercent)
		t.gcPercent = s.gcPercent
	}
	if !theirs("GOMEMLIMIT", "memory_limit") {
		limit := s.memoryLimit
		if container := containerMemory(root); limit == 0 && container > 0 {
			limit = container / 10 * 9
		}
		if limit > 0 {
			// The floor is counted by the runtime, but is not there.
			debug.SetMemoryLimit(limit + int64(len(t.floor)))
			t.memoryLimit = limit
		}
	}
	return t
}

// containerMemory is the memory limit of this process's control group, in
// bytes, under root ("/" but for tests); 0 without one. A container sees its
// own group at the top of the tree.
func containerMemory(root string) int64 {
	for _, file := range []string{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		raw, err := os.ReadFile(root + file)
		if err != nil {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
		// cgroup v1 writes "no limit" as a number near the largest.
		if err == nil && n > 0 && n < math.MaxInt64/2 {
			return n
		}
	}
	return 0
}
