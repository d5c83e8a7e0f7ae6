package host

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ is 100 on every
// architecture that Go runs on.
const tick = 10 * time.Millisecond

// within are the processes whose working directory is a folder or lies in it.
func within(folder string) []int {
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	var pids []int
	for _, link := range links {
		cwd, err := os.Readlink(link)
		if err != nil {
			continue // it ended, or it is somebody else's
		}
		cwd = strings.TrimSuffix(cwd, " (deleted)")
		if cwd != folder && !strings.HasPrefix(cwd, folder+"/") {
			continue
		}
		if pid, err := strconv.Atoi(strings.Split(link, "/")[2]); err == nil && !zombie(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func zombie(pid int) bool {
	s, err := readStat(pid)
	return err != nil || s.state == 'Z' || s.state == 'X'
}

// stat is what /proc/PID/stat tells.
type stat struct {
	state byte
	cpu   time.Duration // its own, and that of children it has waited for
}

func readStat(pid int) (stat, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	s, ok := parseStat(b)
	if !ok {
		return stat{}, fmt.Errorf("unexpected /proc/%d/stat: %q", pid, b)
	}
	return s, nil
}

func parseStat(b []byte) (s stat, ok bool) {
	// The command, in parentheses, may hold blanks and parentheses itself.
	end := bytes.LastIndexByte(b, ')')
	f := strings.Fields(string(b[end+1:]))
	if end < 0 || len(f) < 15 {
		return stat{}, false
	}
	var ticks int64
	for _, text := range f[11:15] { // utime, stime, cutime, cstime
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 || n > mostTicks {
			return stat{}, false
		}
		ticks += n
	}
	return stat{state: f[0][0], cpu: time.Duration(ticks) * tick}, true
}

// mostTicks is what four of them can be added up to in nanoseconds: seven
// hundred years.
const mostTicks = math.MaxInt64 / int64(tick) / 4

// stopped says whether a signal holds a process.
func stopped(pid int) bool {
	s, err := readStat(pid)
	return err == nil && s.state == 'T'
}

// usageOf adds up what processes use. Shared memory, such as Postgres' buffers,
// counts once: the largest share that one process has touched.
func usageOf(pids []int) (cpu time.Duration, memory uint64) {
	var shared uint64
	for _, pid := range pids {
		if s, err := readStat(pid); err == nil {
			cpu += s.cpu
		}
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		var mine uint64
		for line := range strings.Lines(string(b)) {
			name, rest, _ := strings.Cut(line, ":")
			switch name {
			case "RssAnon":
				memory += kibibytes(rest)
			case "RssShmem", "RssFile":
				mine += kibibytes(rest)
			}
		}
		shared = max(shared, mine)
	}
	return cpu, memory + shared
}

// kibibytes reads "   1234 kB" as bytes.
func kibibytes(text string) uint64 {
	f := strings.Fields(text)
	if len(f) == 0 {
		return 0
	}
	n, err := strconv.ParseUint(f[0], 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

// descendants are a process and its children, and theirs, as the kernel lists
// them: much cheaper than to look at every process.
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
