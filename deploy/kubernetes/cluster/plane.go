package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// identity is a user of the API.
type identity struct {
	file   string // its kubeconfig
	user   string
	groups string
}

func identities(count int) []identity {
	all := []identity{
		{"kubeconfig", "admin", "system:masters"},
		{"controllers.kubeconfig", "system:kube-controller-manager", ""},
		{"scheduler.kubeconfig", "system:kube-scheduler", ""},
		{"proxy.kubeconfig", "system:kube-proxy", ""},
	}
	for i := 1; i <= count; i++ {
		all = append(all, identity{fmt.Sprintf("n%d.kubeconfig", i), fmt.Sprintf("system:node:n%d", i), "system:nodes"})
	}
	return all
}

// identify makes a token for each user, with its kubeconfig, and the key that signs those of service accounts.
func (c cluster) identify(count int) error {
	var tokens strings.Builder
	for i, id := range identities(count) {
		token := rand.Text()
		fmt.Fprintf(&tokens, "%s,%s,%d", token, id.user, i+1)
		if id.groups != "" {
			tokens.WriteString("," + id.groups)
		}
		tokens.WriteString("\n")
		if err := c.render("kubeconfig", c.path(id.file), map[string]any{
			"API": "https://" + planeAddr + ":" + apiPort, "CA": c.path("pki", "apiserver.crt"), "Token": token,
			"User": id.user, "Cluster": clusterName, "Dir": c.dir, "Group": "/" + cgroupName, "Nodes": nodeNames(count),
		}); err != nil {
			return err
		}
	}
	if err := os.WriteFile(c.path("pki", "tokens"), []byte(tokens.String()), 0o600); err != nil {
		return err
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	return os.WriteFile(c.path("pki", "sa.key"), block, 0o600)
}

func nodeNames(count int) (names []string) {
	for i := 1; i <= count; i++ {
		names = append(names, fmt.Sprintf("n%d", i))
	}
	return names
}

// startPlane starts the control plane and waits until the API answers.
func (c cluster) startPlane(count int, deadline time.Time) error {
	if err := connectPlane(); err != nil {
		return err
	}
	if err := c.identify(count); err != nil {
		return err
	}
	const etcd, peers = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
	// What etcd holds is lost with the cluster: nothing has to reach the disk.
	if err := c.spawn(planeNS, "etcd", c.self, "etcd", "--name", clusterName, "--data-dir", c.path("etcd"), "--unsafe-no-fsync",
		"--log-level", "warn", "--listen-client-urls", etcd, "--advertise-client-urls", etcd,
		"--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", clusterName+"="+peers); err != nil {
		return err
	}
	if err := c.spawn(planeNS, "apiserver", c.self, "apiserver", "--etcd-servers", etcd,
		"--bind-address", planeAddr, "--advertise-address", planeAddr, "--secure-port", apiPort, "--cert-dir", c.path("pki"),
		"--service-cluster-ip-range", serviceNet, "--token-auth-file", c.path("pki", "tokens"),
		"--authorization-mode", "Node,RBAC", "--allow-privileged",
		"--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", c.path("pki", "sa.key"),
		"--service-account-signing-key-file", c.path("pki", "sa.key"),
		"--kubelet-preferred-address-types", "InternalIP", "--profiling=false"); err != nil {
		return err
	}
	if err := c.awaitAPI(deadline); err != nil {
		return err
	}
	return c.startControllers()
}

// startControllers starts what needs the API.
func (c cluster) startControllers() error {
	// Each controller has an account of its own, as its rights want it. A lost node is noticed after 8 s.
	if err := c.spawn(planeNS, "controllers", c.self, "controllers", "--kubeconfig", c.path("controllers.kubeconfig"),
		"--leader-elect=false", "--bind-address", "127.0.0.1", "--use-service-account-credentials",
		"--service-account-private-key-file", c.path("pki", "sa.key"), "--root-ca-file", c.path("pki", "apiserver.crt"),
		"--flex-volume-plugin-dir", c.path("volume-plugins"), "--node-monitor-period", "1s", "--node-monitor-grace-period", "8s",
		"--cert-dir", c.path("pki")); err != nil {
		return err
	}
	if err := c.spawn(planeNS, "dns", c.self, "dns", c.path("kubeconfig"), planeAddr+":53"); err != nil {
		return err
	}
	return c.spawn(planeNS, "scheduler", c.self, "scheduler", "--kubeconfig", c.path("scheduler.kubeconfig"),
		"--leader-elect=false", "--bind-address", "127.0.0.1")
}

// awaitAPI waits until the API server, which makes its certificate when it starts, is ready.
func (c cluster) awaitAPI(deadline time.Time) error {
	err := retry(time.Until(deadline), func() error {
		api, err := connect(c.path("kubeconfig"))
		if err != nil {
			return err // there is no certificate yet
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		var code int
		err = api.CoreV1().RESTClient().Get().AbsPath("/readyz").Do(ctx).StatusCode(&code).Error()
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("/readyz answers %d", code)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("the API server is not ready in time: %w", err)
	}
	return nil
}

// awaitNodes waits until every node is ready, and pods can be made: each namespace gets its account from a controller.
func (c cluster) awaitNodes(count int, deadline time.Time) error {
	api, err := connect(c.path("kubeconfig"))
	if err != nil {
		return err
	}
	err = retry(time.Until(deadline), func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		nodes, err := api.CoreV1().Nodes().List(ctx, meta.ListOptions{})
		if err != nil {
			return err
		}
		ready := 0
		for _, n := range nodes.Items {
			if isReady(n) {
				ready++
			}
		}
		if ready < count {
			return fmt.Errorf("%d of %d are ready", ready, count)
		}
		_, err = api.CoreV1().ServiceAccounts("default").Get(ctx, "default", meta.GetOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("the nodes are not ready in time: %w", err)
	}
	return nil
}

func isReady(n core.Node) bool {
	for _, cond := range n.Status.Conditions {
		if cond.Type == core.NodeReady {
			return cond.Status == core.ConditionTrue
		}
	}
	return false
}

// status says which nodes there are and how they are. It fails where there is no cluster.
func status([]string) error {
	c, err := here()
	if err != nil {
		return err
	}
	if _, err := os.Stat(c.path("kubeconfig")); err != nil {
		return errors.New("no cluster is up: make kube-up")
	}
	api, err := connect(c.path("kubeconfig"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	nodes, err := api.CoreV1().Nodes().List(ctx, meta.ListOptions{})
	if err != nil {
		return fmt.Errorf("the API does not answer: %w", err)
	}
	pods, err := api.CoreV1().Pods("").List(ctx, meta.ListOptions{})
	if err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	on := map[string]int{}
	for _, p := range pods.Items {
		on[p.Spec.NodeName]++
	}
	for _, n := range nodes.Items {
		state := "not ready"
		if isReady(n) {
			state = "ready"
		}
		fmt.Printf("%s  %s  %s  %d pods\n", n.Name, state, n.Status.NodeInfo.KubeletVersion, on[n.Name])
	}
	fmt.Printf("export KUBECONFIG=%s\n", c.path("kubeconfig"))
	return nil
}
