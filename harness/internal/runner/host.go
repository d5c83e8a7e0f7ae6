package runner

import (
	"runtime"
	"strconv"
	"strings"
	"time"

	"gatelab/harness/internal/fault"
	"gatelab/harness/internal/report"
)

func hostCores() int { return runtime.NumCPU() }

// cpuTimes are the first line of /proc/stat, in ticks.
type cpuTimes struct {
	known             bool
	all, busy, stolen uint64
}

func readCPU() cpuTimes { return parseCPU(firstLine("/proc/stat")) }

func parseCPU(line string) cpuTimes {
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return cpuTimes{}
	}
	t := cpuTimes{known: true}
	for i, text := range fields[1:9] { // user nice system idle iowait irq softirq steal
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return cpuTimes{}
		}
		t.all += n
		switch i {
		case 3, 4:
		case 7:
			t.stolen += n
		default:
			t.busy += n
		}
	}
	return t
}

// hostShare is how the machine spent a time, as shares of all cores.
type hostShare struct{ busy, steal *float64 }

func (t cpuTimes) until(u cpuTimes) hostShare {
	if !t.known || !u.known || u.all <= t.all {
		return hostShare{}
	}
	all := float64(u.all - t.all)
	return hostShare{busy: ptr(float64(u.busy-t.busy) / all), steal: ptr(float64(u.stolen-t.stolen) / all)}
}

// pressure is for how long something has waited for a core since the machine
// started (PSI, "some"), where the kernel says so.
type pressure struct {
	known bool
	total time.Duration
}

func readPressure() pressure { return parsePressure(firstLine("/proc/pressure/cpu")) }

func parsePressure(line string) pressure {
	for _, f := range strings.Fields(line) {
		if text, ok := strings.CutPrefix(f, "total="); ok {
			if us, err := strconv.ParseInt(text, 10, 64); err == nil {
				return pressure{true, time.Duration(us) * time.Microsecond}
			}
		}
	}
	return pressure{}
}

// until is the share of a time in which something waited, 0 to 1.
func (p pressure) until(q pressure, in time.Duration) *float64 {
	if !p.known || !q.known || in <= 0 || q.total < p.total {
		return nil
	}
	return ptr(min(1, float64(q.total-p.total)/float64(in)))
}

// marks are a fault's steps on an attack's time axis.
func marks(began time.Time, e fault.Event) []report.Mark {
	var out []report.Mark
	for _, m := range []struct {
		at    time.Time
		label string
	}{{e.InjectedAt, e.Target + " " + e.Kind}, {e.RecoveredAt, e.Target + " is back"}} {
		if !m.at.IsZero() {
			out = append(out, report.Mark{OffsetS: m.at.Sub(began).Seconds(), Label: m.label})
		}
	}
	return out
}
