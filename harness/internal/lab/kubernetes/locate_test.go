package kubernetes

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// kubeconfig has a context for each kind of cluster. A test cluster's sockets are said to be at socket.
const kubeconfig = `
apiVersion: v1
kind: Config
current-context: %s
clusters:
  - {name: far, cluster: {server: "https://cluster.example.com:6443"}}
  - {name: near, cluster: {server: "https://127.0.0.1:41234"}}
  - {name: test, cluster: {server: "https://10.99.0.1:6443"}}
users: [{name: u, user: {token: t}}]
contexts:
  - {name: production, context: {cluster: far, user: u}}
  - {name: kind-a, context: {cluster: near, user: u}}
  - name: gatelab
    context:
      cluster: test
      user: u
      extensions: [{name: gatelab, extension: {cgroup: /gatelab-kube, sockets: {n1: %q}}}]
`

// TestLocate: a cluster elsewhere is used only if it is named, and none without a way for images to get there.
func TestLocate(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "containerd.sock")
	if err := os.WriteFile(socket, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, current, socket string
		to                    Config
		want, wantErr         string
	}{
		{name: "the test cluster", current: "gatelab", want: "gatelab"},
		{name: "by name", current: "production", to: Config{Context: "gatelab"}, want: "gatelab"},
		{name: "elsewhere, not named", current: "production", to: Config{Registry: "r"}, wantErr: "--context production"},
		{name: "elsewhere, named", current: "kind-a", to: Config{Context: "production", Registry: "r"}, want: "production"},
		{name: "elsewhere, named, without images", current: "kind-a", to: Config{Context: "production"}, wantErr: "--registry"},
		{name: "on this machine", current: "kind-a", to: Config{Registry: "r"}, want: "kind-a"},
		{name: "on this machine, without images", current: "kind-a", wantErr: "--registry"},
		{name: "no such context", current: "kind-a", to: Config{Context: "prod"}, wantErr: "want one of gatelab, kind-a, production"},
		{name: "a test cluster that is down", current: "gatelab", socket: "/nowhere/containerd.sock", wantErr: "make kube-down kube-up"},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := c.socket
			if at == "" {
				at = socket
			}
			path := filepath.Join(t.TempDir(), "config")
			if err := os.WriteFile(path, fmt.Appendf(nil, kubeconfig, c.current, at), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("KUBECONFIG", path)
			found, err := locate(c.to)
			if c.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), c.wantErr) || !errors.Is(err, lab.ErrUnavailable) {
					t.Fatalf("%v, want an unavailable runtime that says %q", err, c.wantErr)
				}
				return
			}
			if err != nil || found.context != c.want {
				t.Fatalf("context %q, %v, want %q", found.context, err, c.want)
			}
			if c.want == "gatelab" && (found.placement.Sockets["n1"] != at || found.placement.Cgroup != "/gatelab-kube") {
				t.Errorf("the nodes are at %+v", found.placement)
			}
		})
	}
}

func TestLocateWithoutKubeconfig(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if _, err := locate(Config{}); !errors.Is(err, lab.ErrUnavailable) {
		t.Errorf("%v, want an unavailable runtime", err)
	}
}

func TestFullName(t *testing.T) {
	for ref, want := range map[string]string{
		"postgres:15-alpine":     "docker.io/library/postgres:15-alpine",
		"gatelab/gateway:0a1b":   "docker.io/gatelab/gateway:0a1b",
		"localhost:5000/a/b:1":   "localhost:5000/a/b:1",
		"registry.example/a:1":   "registry.example/a:1",
		"localhost/probe:1":      "localhost/probe:1",
		"prom/prometheus:v2.1.0": "docker.io/prom/prometheus:v2.1.0",
	} {
		if got := fullName(ref); got != want {
			t.Errorf("%s: %s, want %s", ref, got, want)
		}
	}
}
