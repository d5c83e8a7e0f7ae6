// Package tune fits the Go runtime and the process's scheduling to the container
// that the process runs in.
package tune

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// Config is what the runtime is set to.
type Config struct {
	MaxProcs    int   // GOMAXPROCS; 0: what the Go runtime finds
	GCPercent   int   // as GOGC; negative: off
	MemoryLimit int64 // bytes; 0: 90% of the smallest limit of the process's control groups, if there is one
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
func Apply(c Config) Result { return apply(&c, memlimit.FromCgroup) }

func apply(c *Config, container memlimit.Provider) Result {
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
	if limit == 0 {
		limit = memoryOf(container) / 10 * 9
	}
	if limit > 0 {
		// The runtime counts the floor, although it takes no memory.
		debug.SetMemoryLimit(limit + int64(len(r.floor)))
		r.MemoryLimit = limit
	}
	return r
}

// memoryOf returns a memory limit in bytes; 0 if there is none, or none can be
// read: a gateway without control groups starts all the same.
func memoryOf(container memlimit.Provider) int64 {
	n, err := container()
	if err != nil || n > math.MaxInt64 {
		return 0
	}
	return int64(n)
}
