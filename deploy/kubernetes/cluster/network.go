package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// planeNS is the network namespace of the control plane, which holds the switch that every cable ends in.
const (
	planeNS  = "gatelab-plane"
	nodeNS   = "gatelab-" // and the node's name
	bridge   = "kube0"
	hostLink = "gatelab-kube" // this machine's end of its cable
)

func nodeAddr(i int) string { return fmt.Sprintf("%s.1%d", switchNet, i) }

func podsOf(i int) string { return fmt.Sprintf("%s.%d.0/24", podNet, i) }

// inside are the words that run a program in a network namespace. It is not `ip netns exec`, which mounts /sys anew and hides the control
// groups.
func inside(ns string, argv ...string) []string {
	return append([]string{"nsenter", "--net=/run/netns/" + ns}, argv...)
}

// ip runs lines of arguments of ip in a namespace, or on this machine if ns is empty, until one fails.
func ip(ns string, lines ...string) error {
	for _, line := range lines {
		argv := append([]string{"ip"}, strings.Fields(line)...)
		if ns != "" {
			argv = inside(ns, argv...)
		}
		if err := run(argv...); err != nil {
			return err
		}
	}
	return nil
}

// connectPlane makes the control plane's namespace with the switch, and this machine's cable to it. This machine reaches pods and
// services by routes alone; its own packet filter is not touched.
func connectPlane() error {
	if err := ip("", "netns add "+planeNS); err != nil {
		return err
	}
	err := ip(planeNS,
		"link set lo up",
		"link add "+bridge+" type bridge",
		"addr add "+planeAddr+"/24 dev "+bridge,
		"link set "+bridge+" up")
	if err != nil {
		return err
	}
	if err := ip("", "link add "+hostLink+" type veth peer name p-host netns "+planeNS); err != nil {
		return err
	}
	if err := ip(planeNS, "link set p-host master "+bridge+" up"); err != nil {
		return err
	}
	return ip("",
		"addr add "+hostAddr+"/24 dev "+hostLink,
		"link set "+hostLink+" up",
		"route add "+serviceNet+" via "+nodeAddr(1))
}

// connectNode makes node i's namespace, its cable, and the routes between its pods, the others' and this machine.
func connectNode(i, count int) error {
	name := "n" + strconv.Itoa(i)
	ns, cable := nodeNS+name, cableOf(name)
	if err := ip("", "netns add "+ns, "link add "+cable+" netns "+planeNS+" type veth peer name eth0 netns "+ns); err != nil {
		return err
	}
	if err := ip(planeNS, "link set "+cable+" master "+bridge+" up", "route add "+podsOf(i)+" via "+nodeAddr(i)); err != nil {
		return err
	}
	lines := []string{
		"link set lo up",
		"addr add " + nodeAddr(i) + "/24 dev eth0",
		"link set eth0 up",
		"route add default via " + planeAddr,
	}
	for j := 1; j <= count; j++ {
		if j != i {
			lines = append(lines, "route add "+podsOf(j)+" via "+nodeAddr(j))
		}
	}
	if err := ip(ns, lines...); err != nil {
		return err
	}
	if err := run(inside(ns, "sysctl", "-qw", "net.ipv4.ip_forward=1")...); err != nil {
		return err
	}
	return ip("", "route add "+podsOf(i)+" via "+nodeAddr(i))
}

// cableOf is the switch's end of a node's cable.
func cableOf(node string) string { return "p-" + node }

// namespaces are the network namespaces of a cluster that there are, the control plane's last.
func namespaces() []string {
	paths, _ := filepath.Glob("/run/netns/" + nodeNS + "*")
	var names, last []string
	for _, p := range paths {
		if name := filepath.Base(p); name == planeNS {
			last = append(last, name)
		} else {
			names = append(names, name)
		}
	}
	return append(names, last...)
}

// emptyNamespace kills every process whose network namespace it is, and returns when there is none.
func emptyNamespace(ns string) error {
	return retry(20*time.Second, func() error {
		pids, err := processesOf(ns)
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone by now
		}
		return fmt.Errorf("%d processes of %s do not end", len(pids), ns)
	})
}

func processesOf(ns string) (pids []int, err error) {
	var want syscall.Stat_t
	if err := syscall.Stat("/run/netns/"+ns, &want); err != nil {
		return nil, err
	}
	all, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		return nil, err
	}
	for _, path := range all {
		var have syscall.Stat_t
		if syscall.Stat(path, &have) != nil || have.Ino != want.Ino || have.Dev != want.Dev {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(path, "/")[2])
		if err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
