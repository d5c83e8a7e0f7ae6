// Package clustertest proves a cluster that was brought up: that what tests of labs rely on is there.
package clustertest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/gatelab/gatelab/deploy/kubernetes/cluster/image"
)

// within bounds each step. On a busy machine everything takes several times as long.
const within = time.Minute

// connect is a client of the cluster that GATELAB_TEST_KUBECONFIG names.
func connect(t *testing.T) *kubernetes.Clientset {
	t.Helper()
	path := os.Getenv("GATELAB_TEST_KUBECONFIG")
	if path == "" {
		t.Skip("GATELAB_TEST_KUBECONFIG names no cluster (make kube-up): pods, services, names, " +
			" logs, policies and the loss of a node are not tested")
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Burst = 100, 100
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// await polls until done says yes.
func await(t *testing.T, what string, done func(context.Context) (bool, string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	began := time.Now()
	for {
		ok, seen := done(ctx)
		if ok {
			t.Logf("%s after %.1f s %s", what, time.Since(began).Seconds(), seen)
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %s: %s", what, within, seen)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// space is a namespace of the test's own, removed when it ends.
func space(t *testing.T, c *kubernetes.Clientset) string {
	t.Helper()
	made, err := c.CoreV1().Namespaces().Create(t.Context(), &core.Namespace{ObjectMeta: meta.ObjectMeta{GenerateName: "clustertest-"}},
		meta.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		if err := c.CoreV1().Namespaces().Delete(ctx, made.Name, meta.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	await(t, "account of the namespace", func(ctx context.Context) (bool, string) {
		_, err := c.CoreV1().ServiceAccounts(made.Name).Get(ctx, "default", meta.GetOptions{})
		return err == nil, fmt.Sprint(err)
	})
	return made.Name
}

// echo is a pod that serves its own name on port 8080.
func echo(name, node string) *core.Pod {
	grace := int64(1)
	return &core.Pod{
		ObjectMeta: meta.ObjectMeta{Name: name, Labels: map[string]string{"app": "echo", "pod": name}},
		Spec: core.PodSpec{
			NodeName: node, TerminationGracePeriodSeconds: &grace,
			Containers: []core.Container{{
				Name: "echo", Image: probeImage, ImagePullPolicy: core.PullNever, Args: []string{"serve"},
				ReadinessProbe: &core.Probe{PeriodSeconds: 1, ProbeHandler: core.ProbeHandler{
					HTTPGet: &core.HTTPGetAction{Path: "/", Port: intstr.FromInt32(8080)}}},
			}},
		},
	}
}

// probeImage is of the program probe.
const probeImage = "localhost/probe:1"

// loadProbe builds the program and loads its image into every node.
func loadProbe(t *testing.T, nodes []string) {
	t.Helper()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "probe"), "./probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build probe: %v: %s", err, out)
	}
	archive, err := image.Archive(probeImage, filepath.Join(dir, "probe"))
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range nodes {
		socket := filepath.Join(filepath.Dir(os.Getenv("GATELAB_TEST_KUBECONFIG")), node, "containerd.sock")
		load := exec.CommandContext(t.Context(), "ctr", "-a", socket, "-n", "k8s.io", "images", "import", "-")
		load.Stdin = bytes.NewReader(archive)
		if out, err := load.CombinedOutput(); err != nil {
			t.Fatalf("load probe into %s: %v: %s", node, err, out)
		}
	}
}

func get(url string) (string, error) {
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return strings.TrimSpace(string(b)), err
}

// cluster runs a command of the program that made the cluster.
func cluster(t *testing.T, args ...string) {
	t.Helper()
	program := filepath.Join(filepath.Dir(os.Getenv("GATELAB_TEST_KUBECONFIG")), "cluster")
	out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("cluster %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

func ready(t *testing.T, c *kubernetes.Clientset) (names []string) {
	t.Helper()
	list, err := c.CoreV1().Nodes().List(t.Context(), meta.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range list.Items {
		for _, cond := range n.Status.Conditions {
			if cond.Type == core.NodeReady && cond.Status == core.ConditionTrue {
				names = append(names, n.Name)
			}
		}
	}
	return names
}

// TestCluster goes through what labs need: pods on every node, a service with a name that each reaches, logs, policies.
func TestCluster(t *testing.T) {
	c := connect(t)
	nodes := ready(t, c)
	if len(nodes) == 0 {
		t.Fatal("no node is ready")
	}
	loadProbe(t, nodes)
	ns := space(t, c)
	svc, err := c.CoreV1().Services(ns).Create(t.Context(), &core.Service{ObjectMeta: meta.ObjectMeta{Name: "echo"},
		Spec: core.ServiceSpec{Selector: map[string]string{"app": "echo"},
			Ports: []core.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}}}, meta.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ips := map[string]string{} // by pod
	for _, node := range nodes {
		if _, err := c.CoreV1().Pods(ns).Create(t.Context(), echo("echo-"+node, node), meta.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "pods on every node", func(ctx context.Context) (bool, string) {
		list, err := c.CoreV1().Pods(ns).List(ctx, meta.ListOptions{LabelSelector: "app=echo"})
		if err != nil {
			return false, err.Error()
		}
		for _, p := range list.Items {
			if len(p.Status.ContainerStatuses) > 0 && p.Status.ContainerStatuses[0].Ready {
				ips[p.Name] = p.Status.PodIP
			}
		}
		return len(ips) == len(nodes), fmt.Sprint(ips)
	})
	for name, ip := range ips {
		if got, err := get("http://" + net.JoinHostPort(ip, "8080")); err != nil || got != name {
			t.Errorf("pod %s from this machine: %q, %v", name, got, err)
		}
	}
	await(t, "every pod through the service, from this machine", func(context.Context) (bool, string) {
		seen := map[string]bool{}
		for range 20 * len(nodes) {
			if got, err := get("http://" + svc.Spec.ClusterIP); err == nil {
				seen[got] = true
			}
		}
		return len(seen) == len(nodes), fmt.Sprint(seen)
	})
	// By the service's name, from a pod of each node; what it says is read through the API.
	for _, node := range nodes {
		if said := call(t, c, ns, "call-"+node, node, "http://echo."+ns+".svc.cluster.local"); !strings.HasPrefix(said, "answered by echo-") {
			t.Errorf("a pod of %s that calls the service by name says %q", node, said)
		}
	}
	denyAll(t, c, ns, ips["echo-"+nodes[0]])
}

// call is what a pod says that calls a URL until it is answered.
func call(t *testing.T, c *kubernetes.Clientset, ns, name, node, url string) string {
	t.Helper()
	p := echo(name, node)
	p.Labels = nil
	p.Spec.RestartPolicy = core.RestartPolicyNever
	p.Spec.Containers[0].Args, p.Spec.Containers[0].ReadinessProbe = []string{"call", url}, nil
	if _, err := c.CoreV1().Pods(ns).Create(t.Context(), p, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t, name+" is over", func(ctx context.Context) (bool, string) {
		p, err := c.CoreV1().Pods(ns).Get(ctx, name, meta.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		return p.Status.Phase == core.PodSucceeded || p.Status.Phase == core.PodFailed, string(p.Status.Phase)
	})
	said, err := c.CoreV1().Pods(ns).GetLogs(name, &core.PodLogOptions{}).DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(said))
}

// denyAll wants a policy without rules to cut a pod off, and its end to let it in again.
func denyAll(t *testing.T, c *kubernetes.Clientset, ns, ip string) {
	t.Helper()
	url := "http://" + net.JoinHostPort(ip, "8080")
	if _, err := c.NetworkingV1().NetworkPolicies(ns).Create(t.Context(), &networking.NetworkPolicy{ObjectMeta: meta.ObjectMeta{Name: "deny"},
		Spec: networking.NetworkPolicySpec{PodSelector: meta.LabelSelector{MatchLabels: map[string]string{"app": "echo"}},
			PolicyTypes: []networking.PolicyType{networking.PolicyTypeIngress}}}, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t, "a policy cuts the pod off", func(context.Context) (bool, string) {
		got, err := get(url)
		return err != nil, got
	})
	if err := c.NetworkingV1().NetworkPolicies(ns).Delete(t.Context(), "deny", meta.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t, "without it the pod is reached", func(context.Context) (bool, string) {
		_, err := get(url)
		return err == nil, fmt.Sprint(err)
	})
}

// TestNodeLoss kills a node, wants the cluster to notice, and powers it on again.
func TestNodeLoss(t *testing.T) {
	c := connect(t)
	nodes := ready(t, c)
	if len(nodes) < 2 {
		t.Skip("the cluster has one node: the loss of a node is not tested")
	}
	last := nodes[len(nodes)-1]
	cluster(t, "node", "kill", last)
	await(t, last+" is not ready", func(context.Context) (bool, string) {
		names := ready(t, c)
		return len(names) == len(nodes)-1, fmt.Sprint(names)
	})
	cluster(t, "node", "start", last)
	await(t, last+" is ready again", func(context.Context) (bool, string) {
		names := ready(t, c)
		return len(names) == len(nodes), fmt.Sprint(names)
	})
}
