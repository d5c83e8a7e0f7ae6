package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gatelab/gatelab/deploy/kubernetes/cluster/image"
)

// The addresses of the one cluster that a machine can have. Node i is switchNet.1i and has the pods of 10.244.i.0/24.
const (
	switchNet   = "10.99.0"
	planeAddr   = switchNet + ".1"
	hostAddr    = switchNet + ".254"
	podNet      = "10.244"
	serviceNet  = "10.96.0.0/16"
	apiPort     = "6443"
	clusterName = "gatelab" // also the context's
	mostNodes   = 9
	pauseImage  = "localhost/pause:1"
)

// readyIn is how long the cluster may take until every node is ready. A quiet machine takes 9 s for two.
const readyIn = 2 * time.Minute

// stateDir is where everything of the cluster lies: certificates, etcd's data, images, logs.
func stateDir() string {
	if dir := os.Getenv("GATELAB_KUBE_DIR"); dir != "" {
		return dir
	}
	return "/var/cache/gatelab-kube"
}

// cluster is a cluster on this machine.
type cluster struct {
	dir  string // stateDir
	self string // this program
}

func here() (cluster, error) {
	self, err := os.Executable()
	if err != nil {
		return cluster{}, err
	}
	dir, err := filepath.Abs(stateDir())
	return cluster{dir: dir, self: self}, err
}

func (c cluster) path(parts ...string) string {
	return filepath.Join(append([]string{c.dir}, parts...)...)
}

// up brings a cluster up and returns when its nodes are ready. On an error nothing is left but the logs, in the folder that it names.
func up(args []string) error {
	count := 2
	if len(args) > 0 {
		n, err := strconv.Atoi(args[0])
		if err != nil || n < 1 || n > mostNodes {
			return fmt.Errorf("nodes: %q is not allowed: want 1 to %d", args[0], mostNodes)
		}
		count = n
	}
	c, err := here()
	if err != nil {
		return err
	}
	if err := checkMachine(); err != nil {
		return err
	}
	if _, err := os.Stat(c.dir); err == nil {
		return fmt.Errorf("there is a cluster in %s: use it (status), or take it down first (down)", c.dir)
	}
	began := time.Now()
	if err := c.start(count); err != nil {
		kept := c.keepLogs()
		return errors.Join(err, fmt.Errorf("logs are in %s", kept), c.remove())
	}
	fmt.Printf("%d nodes are ready after %.1f s\nexport KUBECONFIG=%s\n", count, time.Since(began).Seconds(), c.path("kubeconfig"))
	return nil
}

func (c cluster) start(count int) error {
	for _, dir := range []string{"log", "pki", "images"} {
		if err := os.MkdirAll(c.path(dir), 0o700); err != nil {
			return err
		}
	}
	// By this name the other commands find the program that made the cluster (cluster.sh).
	if err := os.Symlink(c.self, c.path("cluster")); err != nil {
		return err
	}
	// The program pause, of which containerd makes each pod's first container, lies beside this one.
	pause, err := image.Archive(pauseImage, c.self+"-pause")
	if err != nil {
		return fmt.Errorf("the image %s: %w: build the cluster with build.sh", pauseImage, err)
	}
	if err := os.WriteFile(c.path("images", "pause.tar"), pause, 0o600); err != nil {
		return err
	}
	deadline := time.Now().Add(readyIn)
	if err := c.startPlane(count, deadline); err != nil {
		return err
	}
	for i := 1; i <= count; i++ {
		if err := c.addNode(i, count); err != nil {
			return fmt.Errorf("node n%d: %w", i, err)
		}
	}
	return c.awaitNodes(count, deadline)
}

// keepLogs copies the logs to where remove does not take them away, and returns the folder.
func (c cluster) keepLogs() string {
	kept := c.dir + "-logs"
	_ = os.RemoveAll(kept)
	_ = os.MkdirAll(kept, 0o700)
	logs, _ := filepath.Glob(c.path("log", "*.log"))
	more, _ := filepath.Glob(c.path("n*", "*.log"))
	for _, log := range append(logs, more...) {
		body, err := os.ReadFile(log)
		if err == nil {
			name := strings.ReplaceAll(strings.TrimPrefix(log, c.dir+"/"), "/", "-")
			_ = os.WriteFile(filepath.Join(kept, name), body, 0o600)
		}
	}
	return kept
}

// down takes the cluster down. It is no error if there is none.
func down([]string) error {
	c, err := here()
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("only root can take a cluster down, as only root can bring one up")
	}
	if _, err := os.Stat(c.dir); errors.Is(err, fs.ErrNotExist) && len(namespaces()) == 0 {
		fmt.Println("no cluster is up")
		return nil
	}
	began := time.Now()
	if err := c.remove(); err != nil {
		return err
	}
	fmt.Printf("the cluster is down after %.1f s\n", time.Since(began).Seconds())
	return nil
}

// remove ends every process of the cluster and removes its networks, control groups and files. Processes are found by their network
// namespace, not by number: it works also where the program that started them was killed.
func (c cluster) remove() error {
	var errs []error
	for _, ns := range namespaces() {
		errs = append(errs, emptyNamespace(ns))
	}
	for _, ns := range namespaces() {
		errs = append(errs, run("ip", "netns", "del", ns))
	}
	if _, err := os.Stat("/sys/class/net/" + hostLink); err == nil {
		errs = append(errs, run("ip", "link", "del", hostLink))
	}
	errs = append(errs, removeGroups(cgroupName), retry(10*time.Second, func() error { return os.RemoveAll(c.dir) }))
	return errors.Join(errs...)
}

// spawn starts a part of the cluster in a network namespace; its output goes to a file of the folder log.
func (c cluster) spawn(ns, log string, argv ...string) error {
	out, err := os.OpenFile(c.path("log", log+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command("nsenter", append([]string{"--net=/run/netns/" + ns}, argv...)...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Process.Release() // it outlives this program
}

// run is a program that is done in an instant. Its error has what the program said.
func run(argv ...string) error {
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// retry calls f until it succeeds, with a pause in between; the error is the last one.
func retry(within time.Duration, f func() error) error {
	deadline := time.Now().Add(within)
	for {
		err := f()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}
