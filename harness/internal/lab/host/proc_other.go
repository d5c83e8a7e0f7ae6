//go:build !linux

package host

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// psLine is a line of ps.
type psLine struct {
	pid, parent int
	state       string
	cpu         time.Duration
	memory      uint64
}

// processes are all that ps shows.
func processes() []psLine {
	out, err := exec.Command("ps", "-axo", "pid=,ppid=,stat=,time=,rss=").Output()
	if err != nil {
		return nil
	}
	var all []psLine
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		p := psLine{state: f[2], cpu: clock(f[3])}
		p.pid, _ = strconv.Atoi(f[0])
		p.parent, _ = strconv.Atoi(f[1])
		kib, _ := strconv.ParseUint(f[4], 10, 64)
		p.memory = kib << 10
		all = append(all, p)
	}
	return all
}

// clock reads ps's [[hours:]minutes:]seconds[.hundredths].
func clock(text string) time.Duration {
	var total float64
	for part := range strings.SplitSeq(text, ":") {
		n, err := strconv.ParseFloat(part, 64)
		if err != nil {
			return 0
		}
		total = total*60 + n
	}
	return time.Duration(total * float64(time.Second))
}

// within are the processes whose working directory lies in a folder, which here
// only lsof can tell.
func within(folder string) []int {
	real, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return nil
	}
	out, _ := exec.Command("lsof", "-a", "-d", "cwd", "-Fpn").Output() // it fails when one process cannot be seen
	var pids []int
	pid := 0
	for line := range bytes.Lines(out) {
		text := strings.TrimSpace(string(line))
		switch {
		case strings.HasPrefix(text, "p"):
			pid, _ = strconv.Atoi(text[1:])
		case strings.HasPrefix(text, "n"):
			if cwd := text[1:]; cwd == real || strings.HasPrefix(cwd, real+"/") {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

func stopped(pid int) bool {
	for _, p := range processes() {
		if p.pid == pid {
			return strings.HasPrefix(p.state, "T")
		}
	}
	return false
}

func usageOf(pids []int) (cpu time.Duration, memory uint64) {
	wanted := map[int]bool{}
	for _, pid := range pids {
		wanted[pid] = true
	}
	for _, p := range processes() {
		if wanted[p.pid] {
			cpu += p.cpu
			memory += p.memory
		}
	}
	return cpu, memory
}

func descendants(pid int) []int {
	all := processes()
	pids := []int{pid}
	for i := 0; i < len(pids); i++ {
		for _, p := range all {
			if p.parent == pids[i] {
				pids = append(pids, p.pid)
			}
		}
	}
	return pids
}
