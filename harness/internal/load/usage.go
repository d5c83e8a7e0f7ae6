package load

import (
	"bytes"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// usage measures the process's CPU over a window.
type usage struct {
	mu     sync.Mutex
	from   float64
	to     float64
	state  int // 0 before the window, 1 in it, 2 after
	timers [2]*time.Timer
}

func watchUsage(began, ends time.Time) *usage {
	u := &usage{}
	u.mu.Lock() // no timer fires before both are set
	defer u.mu.Unlock()
	u.timers[0] = time.AfterFunc(time.Until(began), u.begin)
	u.timers[1] = time.AfterFunc(time.Until(ends), u.end)
	return u
}

func (u *usage) begin() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.state == 0 {
		u.from, u.state = cpuSeconds(), 1
	}
}

func (u *usage) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.state == 1 {
		u.to = cpuSeconds()
	}
	u.state = 2
}

// stop is the CPU seconds used in the window, or until now where it is not over.
func (u *usage) stop() float64 {
	for _, t := range u.timers {
		t.Stop()
	}
	u.end()
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.to - u.from
}

// cpuSeconds is the process's use of CPU so far, user and system.
func cpuSeconds() float64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}

// cores is how many cores' time the process may use: its control group's quota,
// else the cores that it may run on.
func cores() float64 {
	n := float64(runtime.NumCPU())
	// cgroup v2: "<quota> <period>" in microseconds, or "max <period>"
	b, err := os.ReadFile("/sys/fs/cgroup/cpu.max")
	if err != nil {
		return n
	}
	return parseCPUMax(string(b), n)
}

// parseCPUMax reads cpu.max; n is the answer where it sets no limit.
func parseCPUMax(text string, n float64) float64 {
	quota, period, ok := strings.Cut(strings.TrimSpace(text), " ")
	q, err1 := strconv.ParseFloat(quota, 64)
	p, err2 := strconv.ParseFloat(period, 64)
	if !ok || err1 != nil || err2 != nil || !(q > 0) || !(p > 0) || math.IsInf(p, 1) {
		return n
	}
	return min(n, q/p)
}

// raiseFiles lets the process open as many files as it may.
func raiseFiles() error {
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

// fdLimit is how many files the process may have open.
func fdLimit() uint64 {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0
	}
	return l.Cur
}

// timeWait is the number of sockets in TIME-WAIT in the process's network, nil
// where the system does not say.
func timeWait() *int {
	b, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return nil
	}
	return parseTimeWait(b)
}

// parseTimeWait reads /proc/net/sockstat.
func parseTimeWait(b []byte) *int {
	_, rest, _ := bytes.Cut(b, []byte(" tw "))
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		return nil
	}
	n, err := strconv.Atoi(string(fields[0]))
	if err != nil {
		return nil
	}
	return &n
}
