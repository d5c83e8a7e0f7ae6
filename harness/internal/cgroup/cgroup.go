// Package cgroup reads the CPU and memory accounting of control groups, version
// 1 and 2 alike.
//
// It is the only parser of such files here. gopsutil reads version 1 only,
// procfs none at all, and containerd's library brings eBPF, D-Bus and protobuf
// for the five numbers that are needed.
package cgroup

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
)

// Root is where systems mount the control groups.
const Root = "/sys/fs/cgroup"

// Usage is what a group has used since it was made. A value that the kernel does
// not tell is zero.
type Usage struct {
	CPU        time.Duration // user and system
	Throttled  time.Duration // runnable, but held back by the CPU limit
	Memory     uint64        // bytes in use, without page cache that can be dropped at will
	MemoryPeak uint64        // bytes, page cache included; version 2 tells it from Linux 5.19 on
}

// Read are the groups of a process whose files Of reads: those of the CPU and
// memory controllers with version 1, the unified one with version 2. None are
// returned if one of them is missing.
func Read(groups []procfs.Cgroup) []procfs.Cgroup {
	of := map[string]procfs.Cgroup{} // by controller; "" is version 2
	for _, g := range groups {
		for _, controller := range g.Controllers {
			of[controller] = g
		}
		if len(g.Controllers) == 0 {
			of[""] = g
		}
	}
	wanted := []string{""}
	if _, v1 := of["cpuacct"]; v1 {
		wanted = []string{"cpu", "cpuacct", "memory"}
	}
	var out []procfs.Cgroup
	for _, controller := range wanted {
		g, ok := of[controller]
		if !ok {
			return nil
		}
		out = append(out, g)
	}
	return out
}

// Of is the usage of the groups that a process is in. root is the mount point.
func Of(root string, groups []procfs.Cgroup) (Usage, error) {
	paths := map[string]string{} // by controller; "" is version 2
	for _, g := range groups {
		for _, controller := range g.Controllers {
			paths[controller] = g.Path
		}
		if len(g.Controllers) == 0 {
			paths[""] = g.Path
		}
	}
	if _, v1 := paths["cpuacct"]; v1 {
		return usageV1(root, paths)
	}
	return usageV2(filepath.Join(root, paths[""]))
}

// usageV1 reads nanoseconds and bytes.
func usageV1(root string, paths map[string]string) (Usage, error) {
	var f reader
	memory := filepath.Join(root, "memory", paths["memory"])
	used := f.value(filepath.Join(memory, "memory.usage_in_bytes"))
	u := Usage{
		CPU:        time.Duration(f.value(filepath.Join(root, "cpuacct", paths["cpuacct"], "cpuacct.usage"))),
		Throttled:  time.Duration(f.field(filepath.Join(root, "cpu", paths["cpu"], "cpu.stat"), "throttled_time")),
		Memory:     used - min(f.field(filepath.Join(memory, "memory.stat"), "total_inactive_file"), used),
		MemoryPeak: f.value(filepath.Join(memory, "memory.max_usage_in_bytes")),
	}
	return u, errors.Join(f.errs...)
}

// usageV2 reads microseconds and bytes. The throttled time is there only with
// the cpu controller, memory.peak from Linux 5.19 on.
func usageV2(dir string) (Usage, error) {
	var f, optional reader
	used := f.value(filepath.Join(dir, "memory.current"))
	u := Usage{
		CPU:        micros(f.field(filepath.Join(dir, "cpu.stat"), "usage_usec")),
		Throttled:  micros(optional.field(filepath.Join(dir, "cpu.stat"), "throttled_usec")),
		Memory:     used - min(f.field(filepath.Join(dir, "memory.stat"), "inactive_file"), used),
		MemoryPeak: optional.value(filepath.Join(dir, "memory.peak")),
	}
	return u, errors.Join(f.errs...)
}

func micros(n uint64) time.Duration {
	return time.Duration(min(n, math.MaxInt64/uint64(time.Microsecond))) * time.Microsecond
}

// Cores is how many cores' time the group at root may use. ok is false where
// there is no limit, or none can be read. Inside a container root is the
// container's own group.
func Cores(root string) (cores float64, ok bool) {
	var quota, period string
	if b, err := os.ReadFile(filepath.Join(root, "cpu.max")); err == nil { // version 2: "<quota|max> <period>"
		quota, period, _ = strings.Cut(strings.TrimSpace(string(b)), " ")
	} else {
		quota = line(filepath.Join(root, "cpu", "cpu.cfs_quota_us")) // -1: no limit
		period = line(filepath.Join(root, "cpu", "cpu.cfs_period_us"))
	}
	q, err1 := strconv.ParseFloat(quota, 64)
	p, err2 := strconv.ParseFloat(period, 64)
	if err1 != nil || err2 != nil || !(q > 0) || !(p > 0) || math.IsInf(p, 1) {
		return 0, false
	}
	return q / p, true
}

func line(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// reader reads numbers and collects the errors.
type reader struct{ errs []error }

// value is the number in a file of its own.
func (r *reader) value(path string) uint64 {
	text, err := os.ReadFile(path)
	if err != nil {
		r.errs = append(r.errs, err)
		return 0
	}
	return r.number(path, strings.TrimSpace(string(text)))
}

// field is the number after a name in a file of "name number" lines.
func (r *reader) field(path, name string) uint64 {
	text, err := os.ReadFile(path)
	if err != nil {
		r.errs = append(r.errs, err)
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return r.number(path, strings.TrimSpace(value))
		}
	}
	r.errs = append(r.errs, fmt.Errorf("%s has no %s", path, name))
	return 0
}

func (r *reader) number(path, text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 63) // what fits a duration
	if err != nil {
		r.errs = append(r.errs, fmt.Errorf("%s: %w", path, err))
		return 0
	}
	return n
}
