package readings

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/host"
)

// osName is the name and version of the distribution, or of the operating system.
func osName(info *host.InfoStat) string {
	if info.Platform == "" {
		return info.OS
	}
	return strings.TrimSpace(info.Platform + " " + info.PlatformVersion)
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

// governor is the frequency governor of the first core.
func governor() string {
	b, err := os.ReadFile("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// gitWithin bounds a question to git: a report must not wait for a file system
// that hangs.
const gitWithin = 10 * time.Second

// Commit is the commit of the working tree in dir, and whether it has changes of
// its own; empty outside a checkout. A new Go file is a change too, although git
// does not know it yet: it is built.
func Commit(dir string) (hash string, dirty bool) {
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
