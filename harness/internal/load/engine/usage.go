package engine

import (
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/procfs"

	"github.com/gatelab/gatelab/harness/internal/cgroup"
	"github.com/gatelab/gatelab/harness/internal/load"
)

// cpuMeter measures the process's CPU time over a window.
type cpuMeter struct {
	mu     sync.Mutex
	from   float64
	to     float64
	state  meterState
	timers [2]*time.Timer
}

type meterState int

const (
	beforeWindow meterState = iota
	inWindow
	afterWindow
)

func newCPUMeter(began, ends time.Time) *cpuMeter {
	m := &cpuMeter{}
	m.mu.Lock() // no timer fires before both are set
	defer m.mu.Unlock()
	m.timers[0] = time.AfterFunc(time.Until(began), m.begin)
	m.timers[1] = time.AfterFunc(time.Until(ends), m.end)
	return m
}

func (m *cpuMeter) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state == beforeWindow {
		m.from = cpuSeconds()
		m.state = inWindow
	}
}

func (m *cpuMeter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state == inWindow {
		m.to = cpuSeconds()
	}
	m.state = afterWindow
}

// stop returns the CPU seconds used in the window, or until now if it has not
// ended yet.
func (m *cpuMeter) stop() float64 {
	for _, t := range m.timers {
		t.Stop()
	}
	m.end()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.to - m.from
}

// cpuSeconds is the CPU time that the process has used so far, user and system.
// getrusage tells microseconds, /proc only ticks of 10 ms.
func cpuSeconds() float64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}

// cores is how many cores' time the process may use: its control group's quota,
// or the cores that it may run on if those are fewer.
func cores() float64 {
	n := float64(runtime.NumCPU())
	if quota, ok := cgroup.Cores(cgroup.Root); ok {
		return min(n, quota)
	}
	return n
}

// place says what this process shares with others.
func place() load.Place {
	var out load.Place
	if id, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		out.Machine = strings.TrimSpace(string(id))
	}
	if name, err := os.Readlink("/proc/self/ns/net"); err == nil {
		out.Network = name
	}
	allowed := allowedCores()
	out.Cores, out.Count = strings.Join(allowed, ","), len(allowed)
	return out
}

// raiseFileLimit raises the soft limit of open files to the hard limit.
func raiseFileLimit() error {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	if l.Cur >= l.Max {
		return nil
	}
	l.Cur = l.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
}

// fileLimit is how many files the process may have open; 0 if unknown.
func fileLimit() uint64 {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0
	}
	return l.Cur
}

// timeWait is the number of sockets in TIME-WAIT in the process's network
// namespace, nil where the system does not tell.
func timeWait() *int {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return nil
	}
	stat, err := fs.NetSockstat()
	if err != nil {
		return nil
	}
	for _, p := range stat.Protocols {
		if p.Protocol == "TCP" {
			return p.TW
		}
	}
	return nil
}
