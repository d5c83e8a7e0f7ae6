package docker

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"maps"
	"os"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// The labels on everything that a run makes. Together they tell whether the
// process that made a thing still lives: a pid alone is soon another process's.
const (
	labelLab   = "gatelab.lab"   // run id
	labelNode  = "gatelab.node"  // node name
	labelKeep  = "gatelab.keep"  // "true": outlives its process
	labelPID   = "gatelab.pid"   // of the harness
	labelStart = "gatelab.start" // when that process started, in clock ticks since boot
	labelBoot  = "gatelab.boot"  // the machine's boot id
	labelSpace = "gatelab.pidns" // the pid namespace in which the pid means something
)

// owner identifies a process for as long as the machine is up, and after.
type owner struct {
	pid                int
	start, boot, space string
}

func currentOwner() (owner, error) {
	o := owner{pid: os.Getpid()}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil // not Linux: nothing is ever known to be dead
	}
	if err != nil {
		return o, err
	}
	o.boot = strings.TrimSpace(string(boot))
	if o.space, err = os.Readlink("/proc/self/ns/pid"); err != nil {
		return o, err
	}
	o.start, err = processStart(o.pid)
	return o, err
}

// processStart is when a process started, in clock ticks since boot. The error
// is fs.ErrNotExist where there is no such process.
func processStart(pid int) (string, error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return "", err
	}
	stat, err := p.Stat()
	if err != nil {
		return "", err
	}
	return strconv.FormatUint(stat.Starttime, 10), nil
}

func (o owner) labels() map[string]string {
	return map[string]string{
		labelPID: strconv.Itoa(o.pid), labelStart: o.start, labelBoot: o.boot, labelSpace: o.space,
	}
}

// dead says whether the process named by labels is surely gone, as seen from
// process o. What cannot be known counts as alive.
func (o owner) dead(labels map[string]string, start func(pid int) (string, error)) bool {
	pid, err := strconv.Atoi(labels[labelPID])
	if err != nil {
		return false
	}
	if labels[labelBoot] != o.boot {
		// The engine is on this machine, so this is from before a reboot.
		return labels[labelBoot] != "" && o.boot != ""
	}
	if labels[labelSpace] != o.space {
		return false
	}
	began, err := start(pid)
	if errors.Is(err, fs.ErrNotExist) && o.boot != "" {
		return true
	}
	return err == nil && began != labels[labelStart]
}

// labels are what a thing of this run carries; node is empty for a network.
func (r *Runtime) labels(node string) map[string]string {
	l := map[string]string{labelLab: r.config.RunID}
	maps.Copy(l, r.owner.labels())
	if node != "" {
		l[labelNode] = node
	}
	if r.config.Keep {
		l[labelKeep] = "true"
	}
	return l
}

func newRunID() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}
