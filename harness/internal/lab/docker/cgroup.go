package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"gatelab/harness/internal/lab"
)

const cgroupRoot = "/sys/fs/cgroup"

// fromKernel reads the node's cgroup itself. It takes well under a millisecond,
// where the engine answers up to a second late (20.10 lets a second question
// wait for its next tick), and it tells the peak memory with cgroup v2 too. It
// fails where the engine's cgroups are not visible from here. ok is false for a
// node that does not run.
func (n *node) fromKernel(ctx context.Context) (u lab.Usage, ok bool, err error) {
	c, err := n.inspect(ctx)
	if err != nil {
		return lab.Usage{}, false, err
	}
	if c.State == nil || !c.State.Running || c.State.Pid == 0 {
		return lab.Usage{}, false, nil
	}
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", c.State.Pid))
	if err != nil {
		return lab.Usage{}, false, err
	}
	if !strings.Contains(string(groups), n.id) {
		return lab.Usage{}, false, errors.New("the process is not seen in its container's cgroup")
	}
	u, err = cgroupUsage(cgroupRoot, string(groups))
	return u, err == nil, err
}

// cgroupUsage reads the files of the cgroups that a /proc/PID/cgroup names:
// lines of hierarchy:controllers:path, where 0::path is cgroup v2's.
func cgroupUsage(root, groups string) (lab.Usage, error) {
	dirs := map[string]string{}
	for line := range strings.Lines(groups) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for controller := range strings.SplitSeq(parts[1], ",") {
			dirs[controller] = parts[2]
		}
	}
	if _, v1 := dirs["cpuacct"]; v1 {
		return usageV1(root, dirs)
	}
	return usageV2(filepath.Join(root, dirs[""]))
}

// usageV1: nanoseconds and bytes.
func usageV1(root string, dirs map[string]string) (lab.Usage, error) {
	var f files
	cpu := f.value(filepath.Join(root, "cpuacct", dirs["cpuacct"], "cpuacct.usage"))
	throttled := f.field(filepath.Join(root, "cpu", dirs["cpu"], "cpu.stat"), "throttled_time")
	memory := filepath.Join(root, "memory", dirs["memory"])
	used := f.value(filepath.Join(memory, "memory.usage_in_bytes"))
	peak := f.value(filepath.Join(memory, "memory.max_usage_in_bytes"))
	cache := f.field(filepath.Join(memory, "memory.stat"), "total_inactive_file")
	return lab.Usage{
		CPUSeconds:       time.Duration(cpu).Seconds(),
		ThrottledSeconds: time.Duration(throttled).Seconds(),
		MemoryBytes:      used - min(cache, used),
		MemoryPeakBytes:  peak,
	}, errors.Join(f.errs...)
}

// usageV2: microseconds and bytes. memory.peak is there from Linux 5.19 on.
func usageV2(dir string) (lab.Usage, error) {
	var f files
	cpu := f.field(filepath.Join(dir, "cpu.stat"), "usage_usec")
	used := f.value(filepath.Join(dir, "memory.current"))
	cache := f.field(filepath.Join(dir, "memory.stat"), "inactive_file")
	err := errors.Join(f.errs...)
	throttled := f.field(filepath.Join(dir, "cpu.stat"), "throttled_usec")
	peak := f.value(filepath.Join(dir, "memory.peak"))
	return lab.Usage{
		CPUSeconds:       float64(cpu) / 1e6,
		ThrottledSeconds: float64(throttled) / 1e6,
		MemoryBytes:      used - min(cache, used),
		MemoryPeakBytes:  peak,
	}, err
}

// files reads numbers and keeps the errors for later.
type files struct{ errs []error }

func (f *files) value(path string) uint64 {
	text, err := os.ReadFile(path)
	if err != nil {
		f.errs = append(f.errs, err)
		return 0
	}
	return f.number(path, strings.TrimSpace(string(text)))
}

// field is the number after a name in a file of "name number" lines.
func (f *files) field(path, name string) uint64 {
	text, err := os.ReadFile(path)
	if err != nil {
		f.errs = append(f.errs, err)
		return 0
	}
	if value, ok := fieldOf(string(text), name); ok {
		return f.number(path, value)
	}
	f.errs = append(f.errs, fmt.Errorf("%s has no %s", path, name))
	return 0
}

// fieldOf finds what follows a name in "name number" lines.
func fieldOf(text, name string) (value string, ok bool) {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value), true
		}
	}
	return "", false
}

func (f *files) number(path, text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		f.errs = append(f.errs, fmt.Errorf("%s: %w", path, err))
	}
	return n
}
