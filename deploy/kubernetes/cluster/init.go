package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// socketName is containerd's socket in a node's folder, where this machine reaches it as well, to load images.
const socketName = "containerd.sock"

// runNode is a node's first process: init FOLDER-OF-THE-CLUSTER NAME ADDRESS. It starts what a node runs, and ends,
// with all of the node, when one
// of them does.
func runNode(args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c, name := cluster{dir: args[0], self: self}, args[1]
	dir := c.path(name)
	if err := mountNode(dir); err != nil {
		return err
	}
	if err := raiseFiles(); err != nil {
		return err
	}
	var pids []int
	daemons := [][]string{
		{"containerd", "containerd", "-c", filepath.Join(dir, "containerd.toml")},
		{"kubelet", self, "kubelet", "--kubeconfig", c.path(name + ".kubeconfig"), "--config", filepath.Join(dir, "kubelet.yaml"),
			"--hostname-override", name, "--node-ip", args[2]},
		// A new endpoint is to be reached at once: a service of a lab has one.
		{"proxy", self, "proxy", "--kubeconfig", c.path("proxy.kubeconfig"), "--hostname-override", name,
			"--cluster-cidr", podNet + ".0.0/16", "--proxy-mode", "iptables", "--iptables-min-sync-period", "50ms",
			"--conntrack-max-per-core", "0", "--metrics-bind-address", "127.0.0.1:10249", "--healthz-bind-address", "127.0.0.1:10256"},
		{"policy", self, "policy", c.path("kubeconfig")},
	}
	for _, d := range daemons {
		pid, err := startDaemon(filepath.Join(dir, d[0]+".log"), d[1:])
		if err != nil {
			return err
		}
		pids = append(pids, pid)
		if d[0] != "containerd" {
			continue
		}
		if err := importImages(filepath.Join(dir, socketName), c.path("images")); err != nil {
			return err
		}
	}
	return reap(pids)
}

// raiseFiles lets all that runs in the node open as many files as this process may at most: containers inherit the limit, and a login's
// usual 1,024 are not enough for a server.
func raiseFiles() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

func startDaemon(log string, argv []string) (pid int, err error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer out.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	return cmd.Process.Pid, nil
}

// importImages loads what the cluster itself needs, as soon as containerd answers.
func importImages(socket, dir string) error {
	if err := retry(30*time.Second, func() error { return run("ctr", "-a", socket, "version") }); err != nil {
		return fmt.Errorf("containerd does not answer: %w", err)
	}
	archives, err := filepath.Glob(filepath.Join(dir, "*.tar"))
	if err != nil {
		return err
	}
	for _, archive := range archives {
		if err := run("ctr", "-a", socket, "-n", "k8s.io", "images", "import", archive); err != nil {
			return err
		}
	}
	return nil
}

// reap waits for children, those that others left among them, until one of pids ends.
func reap(pids []int) error {
	for {
		var state syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &state, 0, nil)
		if err == syscall.EINTR { //nolint:errorlint // it comes from the kernel as it is
			continue
		}
		if err != nil {
			return fmt.Errorf("wait for the node's programs: %w", err)
		}
		for _, p := range pids {
			if p == pid {
				return fmt.Errorf("process %d of the node ended: %d", pid, state.ExitStatus())
			}
		}
	}
}
