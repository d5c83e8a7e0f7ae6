//go:build !linux

package host

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	gopsutil "github.com/shirou/gopsutil/v4/process"
)

// within returns the processes whose working directory is the folder or lies in
// it.
func within(folder string) []int {
	real, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return nil
	}
	processes, err := gopsutil.Processes()
	if err != nil {
		return nil
	}
	var pids []int
	for _, p := range processes {
		cwd, err := p.Cwd()
		if err != nil || (cwd != real && !strings.HasPrefix(cwd, real+"/")) {
			continue
		}
		if status, err := p.Status(); err == nil && !slices.Contains(status, gopsutil.Zombie) {
			pids = append(pids, int(p.Pid))
		}
	}
	return pids
}

// stopped tells whether a process is stopped by a signal.
func stopped(pid int) bool {
	status, err := (&gopsutil.Process{Pid: int32(pid)}).Status()
	return err == nil && slices.Contains(status, gopsutil.Stop)
}

// usageOf adds up what processes use.
func usageOf(pids []int) (cpu time.Duration, memory uint64) {
	for _, pid := range pids {
		p := &gopsutil.Process{Pid: int32(pid)}
		if t, err := p.Times(); err == nil {
			cpu += time.Duration((t.User + t.System) * float64(time.Second))
		}
		if m, err := p.MemoryInfo(); err == nil {
			memory += m.RSS
		}
	}
	return cpu, memory
}

// switchesOf is not told by this kernel.
func switchesOf([]int) uint64 { return 0 }

// descendants returns a process, its children, and theirs.
func descendants(pid int) []int {
	pids := []int{pid}
	for i := 0; i < len(pids); i++ {
		children, err := (&gopsutil.Process{Pid: int32(pids[i])}).Children()
		if err != nil {
			continue // it has none, or has ended
		}
		for _, c := range children {
			pids = append(pids, int(c.Pid))
		}
	}
	return pids
}
