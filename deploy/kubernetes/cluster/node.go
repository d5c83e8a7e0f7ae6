package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// addNode makes node i's network, control groups and folder, and powers it on.
func (c cluster) addNode(i, count int) error {
	if err := connectNode(i, count); err != nil {
		return err
	}
	name := "n" + strconv.Itoa(i)
	if err := makeGroups(name); err != nil {
		return err
	}
	for _, dir := range []string{"cni", "lib", "log"} {
		if err := os.MkdirAll(c.path(name, dir), 0o700); err != nil {
			return err
		}
	}
	values := map[string]any{
		"Dir": c.path(name), "Node": name, "Addr": nodeAddr(i), "Pods": podsOf(i), "DNS": planeAddr, "Group": "/" + cgroupName + "/" + name,
		"CNI": cniDir,
	}
	for file, template := range map[string]string{
		"containerd.toml": "containerd.toml", "kubelet.yaml": "kubelet.yaml", "cni/10-gatelab.conflist": "cni.conflist",
	} {
		if err := c.render(template, c.path(name, file), values); err != nil {
			return err
		}
	}
	return c.powerOn(name)
}

// powerOn starts a node: one process in namespaces of its own, whose end is the end of all that runs in the node.
func (c cluster) powerOn(name string) error {
	i, err := strconv.Atoi(strings.TrimPrefix(name, "n"))
	if err != nil {
		return err
	}
	return c.spawn(nodeNS+name, name, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private",
		c.self, "init", c.dir, name, nodeAddr(i))
}

// changeNode does to a node what can happen to a machine: kill (its power is cut), start, cut (its cable is pulled), join.
func changeNode(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: cluster node kill|start|cut|join NAME")
	}
	c, err := here()
	if err != nil {
		return err
	}
	what, name := args[0], args[1]
	if _, err := os.Stat(c.path(name, "kubelet.yaml")); err != nil {
		return fmt.Errorf("there is no node %q: `cluster status` lists them", name)
	}
	switch what {
	case "kill":
		return emptyNamespace(nodeNS + name)
	case "start":
		return c.revive(name)
	case "cut":
		return ip(planeNS, "link set "+cableOf(name)+" down")
	case "join":
		return ip(planeNS, "link set "+cableOf(name)+" up")
	}
	return fmt.Errorf("%q is not allowed: want kill, start, cut or join", what)
}

// revive powers a node on again. What its dead containers left is removed first: addresses of their pods that would be taken for used
// ones, and control groups, for each of which the kubelet would wait 3 s.
func (c cluster) revive(name string) error {
	pids, err := processesOf(nodeNS + name)
	if err != nil {
		return err
	}
	if len(pids) > 0 {
		return fmt.Errorf("node %s is running", name)
	}
	if err := os.RemoveAll(c.path(name, "lib", "ipam")); err != nil {
		return err
	}
	if err := removeGroups(cgroupName + "/" + name); err != nil {
		return err
	}
	if err := makeGroups(name); err != nil {
		return err
	}
	_ = run(inside(nodeNS+name, "ip", "link", "del", "cni0")...) // there is none if the node had no pod
	return c.powerOn(name)
}

// machineSettings are what the kubelet sets for the whole machine, whatever namespaces it is in, and the values that satisfy it.
var machineSettings = map[string]string{
	"/proc/sys/vm/overcommit_memory": "1", "/proc/sys/kernel/panic_on_oops": "1", "/proc/sys/kernel/panic": "10",
}

// mountNode gives the node, whose mounts are its own, the folders that its programs have by default, and files in place of the settings
// that are the whole machine's.
func mountNode(dir string) error {
	if err := syscall.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	binds := map[string]string{"/var/lib": filepath.Join(dir, "lib"), "/var/log": filepath.Join(dir, "log")}
	for path, value := range machineSettings {
		file := filepath.Join(dir, strings.ReplaceAll(strings.TrimPrefix(path, "/proc/sys/"), "/", "."))
		if err := os.WriteFile(file, []byte(value+"\n"), 0o600); err != nil {
			return err
		}
		binds[path] = file
	}
	for to, from := range binds {
		if err := syscall.Mount(from, to, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", to, err)
		}
	}
	return nil
}
