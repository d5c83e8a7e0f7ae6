package kubernetes

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientapi "k8s.io/client-go/tools/clientcmd/api"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// testCluster is the kubeconfig of make kube-up.
const testCluster = "/var/cache/gatelab-kube/kubeconfig"

// extensionName is what the contexts of test clusters have under it.
const extensionName = "gatelab"

// placement says where on this machine the nodes of a test cluster are.
type placement struct {
	Cgroup  string            `json:"cgroup"`  // the control group below which each node has its own, by name
	Sockets map[string]string `json:"sockets"` // of the nodes' containerd, by name
}

// cluster is a cluster that a lab may be made in.
type cluster struct {
	context   string
	config    *rest.Config
	placement placement // zero for any but a test cluster
}

// notAvailable is an error that is a case of lab.ErrUnavailable.
type notAvailable struct{ error }

func (notAvailable) Is(target error) bool { return target == lab.ErrUnavailable }
func (e notAvailable) Unwrap() error      { return e.error }

// locate finds the cluster: that of the context which is named, or the current one of KUBECONFIG, the test cluster's, or ~/.kube/config,
// if it is on this machine. Inside a cluster, without a kubeconfig, it is that cluster.
func locate(to Config) (cluster, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	if os.Getenv("KUBECONFIG") == "" {
		if _, err := os.Stat(testCluster); err == nil { // #nosec G304
			rules.Precedence = append([]string{testCluster}, rules.Precedence...)
		}
	}
	raw, err := rules.Load()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cluster{}, fmt.Errorf("kubeconfig: %w", err)
	}
	if raw == nil || len(raw.Contexts) == 0 {
		return inCluster(to)
	}
	name := to.Context
	if name == "" {
		name = raw.CurrentContext
	}
	chosen := raw.Contexts[name]
	if chosen == nil {
		return cluster{}, notAvailable{fmt.Errorf("the kubeconfig has no context %q: want one of %s",
			name, strings.Join(contextNames(raw), ", "))}
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(*raw, name, &clientcmd.ConfigOverrides{}, rules).ClientConfig()
	if err != nil {
		return cluster{}, fmt.Errorf("context %s: %w", name, err)
	}
	found := cluster{context: name, config: config}
	if found.placement, err = placementOf(chosen); err != nil {
		return cluster{}, fmt.Errorf("context %s: %w", name, err)
	}
	if to.Context == "" && !found.local() {
		return cluster{}, notAvailable{fmt.Errorf("the current context is %q, whose cluster (%s) is not on this machine: "+
			"a lab there must be asked for by name, --context %s", name, config.Host, name)}
	}
	if to.Registry == "" && len(found.placement.Sockets) == 0 {
		return cluster{}, notAvailable{fmt.Errorf("context %s: images cannot be loaded into this cluster's nodes from here: "+
			"name a registry that it pulls from, --registry HOST[:PORT][/PATH]", name)}
	}
	return found, nil
}

// inCluster is the cluster that this process is a pod of.
func inCluster(to Config) (cluster, error) {
	config, err := rest.InClusterConfig()
	if err != nil {
		return cluster{}, notAvailable{errors.New("there is no kubeconfig, and this is no pod of a cluster")}
	}
	if to.Registry == "" {
		return cluster{}, notAvailable{errors.New("in a cluster images come from a registry: --registry HOST[:PORT][/PATH]")}
	}
	return cluster{context: "in-cluster", config: config}, nil
}

// local says whether the cluster's API is on this machine: a test cluster, or an address of loopback, as kind and k3d have.
func (c cluster) local() bool {
	if len(c.placement.Sockets) > 0 {
		return true
	}
	u, err := url.Parse(c.config.Host)
	if err != nil {
		return false
	}
	host := u.Hostname()
	if host == "" { // host:port without a scheme
		host, _, _ = net.SplitHostPort(c.config.Host)
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// placementOf reads what the context of a test cluster says of its nodes. Sockets that are not there are those of a cluster that was on
// another machine, or is down.
func placementOf(c *clientapi.Context) (p placement, err error) {
	unknown, ok := c.Extensions[extensionName].(*runtime.Unknown)
	if !ok {
		return placement{}, nil
	}
	if err := json.Unmarshal(unknown.Raw, &p); err != nil {
		return placement{}, fmt.Errorf("extension %s: %w", extensionName, err)
	}
	for node, socket := range p.Sockets {
		if _, err := os.Stat(socket); err != nil {
			return placement{}, notAvailable{fmt.Errorf("node %s of the test cluster does not run: make kube-down kube-up", node)}
		}
	}
	return p, nil
}

func contextNames(raw *clientapi.Config) []string {
	var names []string
	for name := range raw.Contexts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
