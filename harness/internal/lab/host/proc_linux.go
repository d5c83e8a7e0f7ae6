package host

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// ticksPerSecond is the unit of times in /proc/PID/stat: USER_HZ is 100 on every
// architecture that Go runs on.
const ticksPerSecond = 100

// within returns the processes whose working directory is the folder or lies in
// it. gopsutil could tell too, but reads several files more per process.
func within(folder string) []int {
	processes, err := procfs.AllProcs()
	if err != nil {
		return nil
	}
	var pids []int
	for _, p := range processes {
		cwd, err := p.Cwd()
		if err != nil {
			continue // another user's
		}
		cwd = strings.TrimSuffix(cwd, " (deleted)")
		if cwd != folder && !strings.HasPrefix(cwd, folder+"/") {
			continue
		}
		if s, err := p.Stat(); err == nil && s.State != "Z" && s.State != "X" {
			pids = append(pids, p.PID)
		}
	}
	return pids
}

// stopped tells whether a process is stopped by a signal.
func stopped(pid int) bool {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return false
	}
	s, err := p.Stat()
	return err == nil && s.State == "T"
}

// usageOf adds up what processes use. Shared memory, such as Postgres' buffers,
// counts once: the largest share that one process has touched. gopsutil tells
// neither the CPU time of children that ended nor the parts of the resident
// memory.
func usageOf(pids []int) (cpu time.Duration, memory uint64) {
	var shared uint64
	for _, pid := range pids {
		p, err := procfs.NewProc(pid)
		if err != nil {
			continue
		}
		if s, err := p.Stat(); err == nil {
			own, ok := clockOf(pid)
			if !ok {
				own = ticks(s.UTime + s.STime)
			}
			cpu += own + ticks(uint(s.CUTime)+uint(s.CSTime)) //nolint:gosec // times are not negative
		}
		if s, err := p.NewStatus(); err == nil {
			memory += s.RssAnon
			shared = max(shared, s.RssShmem+s.RssFile)
		}
	}
	return cpu, memory + shared
}

// switchesOf adds up the context switches of processes, voluntary and not: /proc/PID/status has those of one thread alone.
func switchesOf(pids []int) (n uint64) {
	for _, pid := range pids {
		threads, err := procfs.AllThreads(pid)
		if err != nil {
			continue // it has ended
		}
		for _, t := range threads {
			if s, err := t.NewStatus(); err == nil {
				n += s.VoluntaryCtxtSwitches + s.NonVoluntaryCtxtSwitches
			}
		}
	}
	return n
}

// clockOf is the CPU time of a process, all its threads together, to the nanosecond: the times in /proc/PID/stat are in hundredths of a
// second, which is as much as a gateway needs in a turn of a comparison.
func clockOf(pid int) (time.Duration, bool) {
	const scheduled = 2 // CPUCLOCK_SCHED of a process, see clock_getcpuclockid(3)
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|scheduled, &t); err != nil { //nolint:gosec // as the kernel makes clock ids
		return 0, false
	}
	return time.Duration(t.Nano()), true
}

func ticks(n uint) time.Duration { return time.Duration(n) * (time.Second / ticksPerSecond) }

// descendants returns a process, its children, and theirs. It reads the kernel's
// own lists, which no library does: they compare the parent of every process of
// the machine instead.
func descendants(pid int) []int {
	pids := []int{pid}
	for i := 0; i < len(pids); i++ {
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pids[i]))
		for _, list := range lists {
			b, err := os.ReadFile(list)
			if err != nil {
				continue
			}
			for _, text := range strings.Fields(string(b)) {
				if child, err := strconv.Atoi(text); err == nil {
					pids = append(pids, child)
				}
			}
		}
	}
	return pids
}
