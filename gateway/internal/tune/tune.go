// Package tune fits the Go runtime and the process's scheduling to the container
// that the process runs in.
package tune

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// Config is what the runtime is set to.
type Config struct {
	MaxProcs    int   // GOMAXPROCS; 0: what the Go runtime finds
	GCPercent   int   // as GOGC; negative: off
	MemoryLimit int64 // bytes; 0: 90% of the container's limit, if there is one
	GCFloor     int64 // bytes of heap below which no collection runs; 0: none

	KeepGCPercent   bool // GOGC of the environment wins, if set
	KeepMemoryLimit bool // GOMEMLIMIT of the environment wins, if set
}

// Result is what was set, for the log, and the memory that keeps the heap's
// floor: the caller keeps it alive.
type Result struct {
	Procs       int
	GCPercent   int   // 0: GOGC's
	MemoryLimit int64 // 0: none, or GOMEMLIMIT's
	floor       []byte
}

// KeepAlive keeps the heap's floor until it is called.
func (r *Result) KeepAlive() { runtime.KeepAlive(r.floor) }

// Apply sets GOMAXPROCS, the garbage collector and the memory limit.
//
// With a heap of a few MiB, as a gateway without a cache has, the collector
// would run many times per second. So the heap is given a floor: a block that is
// never written to takes address space but no memory, yet counts as heap when
// the next collection is planned.
func Apply(c Config) Result { return apply(&c, "/") }

func apply(c *Config, root string) Result {
	if c.MaxProcs > 0 {
		runtime.GOMAXPROCS(c.MaxProcs)
	}
	r := Result{Procs: runtime.GOMAXPROCS(0)}
	if c.GCFloor > 0 && c.GCPercent >= 0 {
		// The first collection runs when GCPercent of it has been added.
		r.floor = make([]byte, c.GCFloor*100/int64(100+c.GCPercent))
	}
	if !c.KeepGCPercent || os.Getenv("GOGC") == "" {
		debug.SetGCPercent(c.GCPercent)
		r.GCPercent = c.GCPercent
	}
	if c.KeepMemoryLimit && os.Getenv("GOMEMLIMIT") != "" {
		return r
	}
	limit := c.MemoryLimit
	if container := containerMemory(root); limit == 0 && container > 0 {
		limit = container / 10 * 9
	}
	if limit > 0 {
		// The runtime counts the floor, although it takes no memory.
		debug.SetMemoryLimit(limit + int64(len(r.floor)))
		r.MemoryLimit = limit
	}
	return r
}

// containerMemory returns the memory limit of this process's control group in
// bytes, 0 without one. A container sees its own group at the top of the tree.
// root is "/" except in tests.
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
