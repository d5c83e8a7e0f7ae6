package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// cgroupName is the control group below which those of the nodes are, in every hierarchy.
const cgroupName = "gatelab-kube"

const cgroupRoot = "/sys/fs/cgroup"

// controllers of version 1 that the kubelet and runc want; each is a hierarchy of its own.
var hierarchies = []string{"cpu", "cpuacct", "cpuset", "memory", "pids", "devices", "freezer", "blkio", "systemd"}

const cniDir = "/usr/lib/cni"

// checkMachine says all that this machine lacks, in one error.
func checkMachine() error {
	var lacks []string
	if os.Geteuid() != 0 {
		lacks = append(lacks, "root's privileges: a node is a set of namespaces, networks and control groups; run it as root")
	} else if out, err := exec.Command("unshare", "--mount", "--pid", "--net", "--fork", "true").CombinedOutput(); err != nil {
		lacks = append(lacks, "the right to make namespaces (CAP_SYS_ADMIN): "+strings.TrimSpace(string(out)))
	}
	packages := map[string]string{
		"containerd": "containerd", "ctr": "containerd", "runc": "runc", "iptables": "iptables", "ip": "iproute2",
		"nsenter": "util-linux", "sysctl": "procps",
	}
	for _, program := range []string{"containerd", "ctr", "runc", "iptables", "ip", "nsenter", "sysctl"} {
		if _, err := exec.LookPath(program); err != nil {
			lacks = append(lacks, program+": install Debian's "+packages[program])
		}
	}
	if _, err := os.Stat(cniDir + "/bridge"); err != nil {
		lacks = append(lacks, cniDir+"/bridge: install Debian's containernetworking-plugins")
	}
	for _, h := range hierarchies {
		if _, err := os.Stat(filepath.Join(cgroupRoot, h, "cgroup.procs")); err != nil {
			lacks = append(lacks, "control groups of version 1 ("+filepath.Join(cgroupRoot, h)+"): the nodes are not made for version 2")
			break
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	return errors.New("this machine lacks what a cluster needs:\n  " + strings.Join(lacks, "\n  ") +
		"\nDebian: sh deploy/deps.sh kubernetes. Or use a cluster of your own: RUNTIME=kubernetes with --context")
}

// makeGroups makes a node's control group in every hierarchy. That of cpuset is not usable until it has been told cores and memory.
func makeGroups(node string) error {
	for _, h := range hierarchies {
		if err := os.MkdirAll(filepath.Join(cgroupRoot, h, cgroupName, node), 0o755); err != nil {
			return err
		}
	}
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(cgroupRoot, "cpuset", file))
		if err != nil {
			return err
		}
		for _, dir := range []string{cgroupName, cgroupName + "/" + node} {
			if err := os.WriteFile(filepath.Join(cgroupRoot, "cpuset", dir, file), value, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeGroups removes a control group, of the cluster or of a node below it, with all below it, deepest first. A group whose last process
// was killed may be busy for a moment.
func removeGroups(name string) error {
	return retry(10*time.Second, func() error {
		for _, h := range append([]string{"unified"}, hierarchies...) {
			var dirs []string
			_ = filepath.WalkDir(filepath.Join(cgroupRoot, h, name), func(path string, d os.DirEntry, err error) error {
				if err == nil && d.IsDir() {
					dirs = append(dirs, path)
				}
				return nil
			})
			for i := len(dirs) - 1; i >= 0; i-- {
				if err := os.Remove(dirs[i]); err != nil && !os.IsNotExist(err) {
					return fmt.Errorf("remove the control group: %w", err)
				}
			}
		}
		return nil
	})
}
