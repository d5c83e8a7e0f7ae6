package runner

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// machine is what the manifest says of where the run took place.
func machine() map[string]string {
	m := map[string]string{
		"os":       osName(),
		"kernel":   kernel(),
		"cpu":      cpuModel(),
		"cores":    strconv.Itoa(runtime.NumCPU()),
		"go":       runtime.Version(),
		"arch":     runtime.GOARCH,
		"memory":   memoryTotal(),
		"cgroup":   cgroupVersion(),
		"loadavg":  firstLine("/proc/loadavg"),
		"governor": firstLine("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
	}
	for k, v := range m {
		if v == "" {
			delete(m, k)
		}
	}
	return m
}

func osName() string {
	b, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return runtime.GOOS
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			return strings.Trim(v, `"`)
		}
	}
	return runtime.GOOS
}

func kernel() string {
	var u syscall.Utsname
	if err := syscall.Uname(&u); err != nil {
		return ""
	}
	var b bytes.Buffer
	for _, c := range u.Release {
		if c == 0 {
			break
		}
		b.WriteByte(byte(c))
	}
	return b.String()
}

func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func memoryTotal() string {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return ""
	}
	return parseMemoryTotal(string(b))
}

// parseMemoryTotal reads the beginning of /proc/meminfo.
func parseMemoryTotal(text string) string {
	fields := strings.Fields(text)
	if len(fields) < 2 {
		return ""
	}
	kib, err := strconv.Atoi(fields[1])
	if err != nil {
		return ""
	}
	return strconv.Itoa(kib>>10) + " MiB"
}

func cgroupVersion() string {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return "v2"
	}
	if _, err := os.Stat("/sys/fs/cgroup/cpu"); err == nil {
		return "v1"
	}
	return ""
}

func firstLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

// gitWithin bounds a question to git: a report must not wait for a file system
// that hangs.
const gitWithin = 10 * time.Second

// commit is the commit of the working tree in dir, and whether it has changes of
// its own; empty outside a checkout. A new Go file is a change too, although git
// does not know it yet: it is built.
func commit(dir string) (hash string, dirty bool) {
	ctx, cancel := context.WithTimeout(context.Background(), gitWithin)
	defer cancel()
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...).Output() //nolint:gosec // our own arguments
		return string(out), err
	}
	hash, err := git("rev-parse", "HEAD")
	if err != nil {
		return "", false
	}
	status, err := git("status", "--porcelain", "-z", "--untracked-files=all")
	if err != nil {
		return strings.TrimSpace(hash), true
	}
	for entry := range strings.SplitSeq(status, "\x00") {
		if entry != "" && (!strings.HasPrefix(entry, "?? ") || strings.HasSuffix(entry, ".go")) {
			dirty = true
		}
	}
	return strings.TrimSpace(hash), dirty
}
