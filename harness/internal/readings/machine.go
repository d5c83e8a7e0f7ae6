package readings

import (
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/procfs"
	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/mem"
)

// Cores is the number of cores of the machine.
func Cores() int { return runtime.NumCPU() }

// HostMemory is the memory of the machine in bytes; 0 if the kernel does not tell.
func HostMemory() uint64 {
	m, err := mem.VirtualMemory()
	if err != nil {
		return 0
	}
	return m.Total
}

// Machine is how the machine under the lab has spent its time since it started.
// What the kernel does not tell is absent.
type Machine struct {
	CPU      *CPUTimes
	Pressure *time.Duration // for how long some task has waited for a core (PSI)
}

// CPUTimes are seconds of all cores together.
type CPUTimes struct{ All, Busy, Stolen float64 }

// ReadMachine asks the kernel.
func ReadMachine() Machine {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return Machine{}
	}
	return readMachine(fs)
}

func readMachine(fs procfs.FS) Machine {
	var m Machine
	if stat, err := fs.Stat(); err == nil {
		m.CPU = cpuTimes(stat.CPUTotal)
	}
	if psi, err := fs.PSIStatsForResource("cpu"); err == nil && psi.Some != nil {
		waited := time.Duration(psi.Some.Total) * time.Microsecond //nolint:gosec // 292,000 years
		m.Pressure = &waited
	}
	return m
}

// cpuTimes leaves guests out: the kernel counts their time as user time as well.
func cpuTimes(s procfs.CPUStat) *CPUTimes {
	busy := s.User + s.Nice + s.System + s.IRQ + s.SoftIRQ
	return &CPUTimes{All: busy + s.Idle + s.Iowait + s.Steal, Busy: busy, Stolen: s.Steal}
}

// Busy is the share of all cores in use between two readings, 0 to 1; nil if
// unknown.
func (m Machine) Busy(later Machine) *float64 {
	return m.share(later, func(t *CPUTimes) float64 { return t.Busy })
}

// Steal is the share of all cores that the hypervisor gave to other machines, 0
// to 1; nil if unknown.
func (m Machine) Steal(later Machine) *float64 {
	return m.share(later, func(t *CPUTimes) float64 { return t.Stolen })
}

func (m Machine) share(later Machine, of func(*CPUTimes) float64) *float64 {
	if m.CPU == nil || later.CPU == nil || later.CPU.All <= m.CPU.All {
		return nil
	}
	share := (of(later.CPU) - of(m.CPU)) / (later.CPU.All - m.CPU.All)
	if !(share >= 0) { // also if it is not a number
		return nil
	}
	return &share
}

// Waiting is the share of the time between two readings in which some task waited
// for a core, 0 to 1; nil if unknown.
func (r Reading) Waiting(later Reading) *float64 {
	between := later.At.Sub(r.At)
	if r.Pressure == nil || later.Pressure == nil || between <= 0 || *later.Pressure < *r.Pressure {
		return nil
	}
	share := min(1, float64(*later.Pressure-*r.Pressure)/float64(between))
	return &share
}

// ReadMachineOnly is a reading without any node.
func ReadMachineOnly() Reading { return Reading{At: time.Now(), Machine: ReadMachine()} }

// Describe is what a manifest says about the machine: os, kernel, cpu, cores,
// memory and so on, without what is unknown.
func Describe() map[string]string {
	out := map[string]string{
		"cores": strconv.Itoa(Cores()), "go": runtime.Version(), "arch": runtime.GOARCH,
		"cgroup": cgroupVersion(), "governor": governor(),
	}
	if info, err := host.Info(); err == nil {
		out["os"] = osName(info)
		out["kernel"] = info.KernelVersion
	}
	if cpus, err := cpu.Info(); err == nil && len(cpus) > 0 {
		out["cpu"] = cpus[0].ModelName
	}
	if m, err := mem.VirtualMemory(); err == nil {
		out["memory"] = strconv.FormatUint(m.Total>>20, 10) + " MiB"
	}
	if avg, err := load.Avg(); err == nil {
		out["loadavg"] = strconv.FormatFloat(avg.Load1, 'f', 2, 64)
	}
	for k, v := range out {
		if v == "" {
			delete(out, k)
		}
	}
	return out
}
