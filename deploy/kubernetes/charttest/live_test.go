package charttest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/action"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"
)

// within bounds each step. On a busy machine everything takes several times as long.
const within = 3 * time.Minute

// live are the values of an installation that needs neither Postgres nor an origin. %s is an annotation of the pods.
const live = `
image: {tag: charttest, pullPolicy: Never}
replicas: 2
postgres: {enabled: false}
declarative:
  config: |
    _format_version: "3.0"
    services:
      - name: here
        url: http://127.0.0.1:1
        routes: [{name: here, paths: [/here]}]
        plugins: [{name: request-termination, config: {status_code: 200, message: hello}}]
admin: {enabled: false}
resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {memory: 128Mi}}
drain: {delay: 4s, timeout: 10s, graceSeconds: 30}
podAnnotations: {round: "%d"}
`

// cluster is a namespace of the test's own in the cluster that GATELAB_TEST_KUBECONFIG names.
type cluster struct {
	client *kubernetes.Clientset
	space  string
	helm   *action.Configuration
}

func connect(t *testing.T) *cluster {
	t.Helper()
	path := os.Getenv("GATELAB_TEST_KUBECONFIG")
	if path == "" {
		t.Skip("GATELAB_TEST_KUBECONFIG names no cluster (make kube-up): an installation, an upgrade under load and its end are not tested")
	}
	c := &cluster{helm: &action.Configuration{}}
	flags := genericclioptions.NewConfigFlags(false)
	flags.KubeConfig, flags.Namespace = &path, &c.space
	config, err := flags.ToRESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	if c.client, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	space, err := c.client.CoreV1().Namespaces().Create(t.Context(), &core.Namespace{ObjectMeta: meta.ObjectMeta{GenerateName: "charttest-"}},
		meta.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		if err := c.client.CoreV1().Namespaces().Delete(ctx, space.Name, meta.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	c.space = space.Name
	if err := c.helm.Init(flags, c.space, "secret", t.Logf); err != nil {
		t.Fatal(err)
	}
	return c
}

// loadImage builds the gateway's image and loads it into every node.
func (c *cluster) loadImage(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	command := func(stdin io.Reader, name string, args ...string) {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.Stdin = "../../..", stdin
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v: %s", name, args, err, out)
		}
	}
	for _, program := range []string{"gateway", "harness"} {
		command(nil, "go", "build", "-o", filepath.Join(dir, program), "./"+program)
	}
	command(nil, "go", "run", "./deploy/release/images", "-version", "charttest", "-out", dir, "linux/amd64="+dir)
	archive, err := os.ReadFile(filepath.Join(dir, "gatelab-gateway_charttest_images.tar"))
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := c.client.CoreV1().Nodes().List(t.Context(), meta.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes.Items {
		socket := filepath.Join(filepath.Dir(os.Getenv("GATELAB_TEST_KUBECONFIG")), n.Name, "containerd.sock")
		command(bytes.NewReader(archive), "ctr", "-a", socket, "-n", "k8s.io", "images", "import", "-")
	}
}

// load asks a URL from several connections until ctx ends.
type load struct {
	answered, failed atomic.Int64
	reason           atomic.Value
}

func (l *load) run(ctx context.Context, url string) {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		if err := ask(client, url); err != nil {
			l.failed.Add(1)
			l.reason.Store(err.Error())
		} else {
			l.answered.Add(1)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func ask(client *http.Client, url string) error {
	res, err := client.Get(url)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || !bytes.Contains(body, []byte("hello"))) {
		err = fmt.Errorf("%s: %s", res.Status, body)
	}
	return err
}

// TestInstallUpgradeUninstall has all pods replaced while clients ask, and wants no request to fail and nothing to be left.
func TestInstallUpgradeUninstall(t *testing.T) {
	c := connect(t)
	c.loadImage(t)
	install := action.NewInstall(c.helm)
	install.ReleaseName, install.Namespace = "edge", c.space
	install.Wait, install.Timeout = true, within
	if _, err := install.RunWithContext(t.Context(), loadChart(t), values(t, fmt.Sprintf(live, 1))); err != nil {
		t.Fatal(err)
	}
	service, err := c.client.CoreV1().Services(c.space).Get(t.Context(), "edge-gateway", meta.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + service.Spec.ClusterIP + "/here"
	before := c.pods(t)

	l := &load{}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	const clients = 8
	for range clients {
		go func() { l.run(ctx, url); done <- struct{}{} }()
	}
	upgrade := action.NewUpgrade(c.helm)
	upgrade.Namespace = c.space
	upgrade.Wait, upgrade.Timeout = true, within
	_, err = upgrade.RunWithContext(t.Context(), "edge", loadChart(t), values(t, fmt.Sprintf(live, 2)))
	c.awaitGone(t, before) // requests go on while the last of the old pods drains
	stop()
	for range clients {
		<-done
	}
	if err != nil {
		t.Fatal(err)
	}
	for name := range c.pods(t) {
		if before[name] {
			t.Errorf("%s was not replaced", name)
		}
	}
	if l.failed.Load() > 0 || l.answered.Load() < 100 {
		t.Errorf("%d answered, %d failed: %v", l.answered.Load(), l.failed.Load(), l.reason.Load())
	}
	t.Logf("upgraded under %d requests, %d failed", l.answered.Load(), l.failed.Load())

	uninstall := action.NewUninstall(c.helm)
	uninstall.Wait, uninstall.Timeout = true, within
	if _, err := uninstall.Run("edge"); err != nil {
		t.Fatal(err)
	}
	left, err := c.client.CoreV1().Services(c.space).List(t.Context(), meta.ListOptions{})
	if err != nil || len(left.Items) > 0 {
		t.Errorf("services are left: %v %v", left.Items, err)
	}
}

// awaitGone waits until none of the pods is there, not even ending.
func (c *cluster) awaitGone(t *testing.T, names map[string]bool) {
	t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(100 * time.Millisecond) {
		list, err := c.client.CoreV1().Pods(c.space).List(t.Context(), meta.ListOptions{})
		if err != nil {
			t.Error(err)
			return
		}
		left := 0
		for _, p := range list.Items {
			if names[p.Name] {
				left++
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("%d of the old pods are still there", left)
			return
		}
	}
}

// pods are the names of those that are not ending.
func (c *cluster) pods(t *testing.T) map[string]bool {
	t.Helper()
	list, err := c.client.CoreV1().Pods(c.space).List(t.Context(), meta.ListOptions{LabelSelector: "app.kubernetes.io/component=gateway"})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, p := range list.Items {
		if p.DeletionTimestamp == nil {
			out[p.Name] = true
		}
	}
	return out
}
