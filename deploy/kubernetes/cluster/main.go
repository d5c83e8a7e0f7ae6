// Command cluster is a real Kubernetes for tests, in one program: etcd and the parts of Kubernetes as published, each under its own name
// as the first argument, and beside them what brings a cluster of a control plane and some nodes up on one machine and takes it down.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // as in Kubernetes' own programs
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // likewise
	_ "k8s.io/component-base/metrics/prometheus/version"  // likewise
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	"github.com/gatelab/gatelab/deploy/kubernetes/cluster/dns"
	"github.com/gatelab/gatelab/deploy/kubernetes/cluster/policy"
)

const usage = `usage: cluster up [NODES] | down | status | node kill|start|cut|join NAME | kubectl ...
parts: cluster etcd|apiserver|controllers|scheduler|kubelet|proxy|dns|policy|init ...`

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("no command is given\n%s", usage))
	}
	name, args := os.Args[1], os.Args[2:]
	if own := commands()[name]; own != nil {
		if err := own(args); err != nil {
			fail(err)
		}
		return
	}
	os.Args = append([]string{name}, args...) // the parts read their flags there
	if name == "etcd" {
		etcdmain.Main(os.Args)
		return
	}
	part := partOf(name)
	if part == nil {
		fail(fmt.Errorf("unknown command %q\n%s", name, usage))
	}
	os.Exit(cli.Run(part))
}

// commands are what is not Kubernetes' own.
func commands() map[string]func(args []string) error {
	return map[string]func([]string) error{
		"up": up, "down": down, "status": status, "node": changeNode, // of the user
		"init": runNode, "dns": serveDNS, "policy": enforcePolicies, // of the cluster
	}
}

// serveDNS is the DNS server: dns KUBECONFIG ADDRESS.
func serveDNS(args []string) error {
	api, err := connect(args[0])
	if err != nil {
		return err
	}
	return dns.Serve(api, args[1])
}

// enforcePolicies runs on each node: policy KUBECONFIG.
func enforcePolicies(args []string) error {
	api, err := connect(args[0])
	if err != nil {
		return err
	}
	return policy.Enforce(api)
}

func connect(kubeconfig string) (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

// partOf is a part of Kubernetes by the name that it has here.
func partOf(name string) *cobra.Command {
	switch name {
	case "apiserver":
		return apiserver.NewAPIServerCommand()
	case "controllers":
		return controllers.NewControllerManagerCommand()
	case "scheduler":
		return scheduler.NewSchedulerCommand()
	case "kubelet":
		return kubelet.NewKubeletCommand(context.Background())
	case "proxy":
		return proxy.NewProxyCommand()
	case "kubectl":
		return kubectl.NewDefaultKubectlCommand()
	}
	return nil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "cluster:", err)
	os.Exit(1)
}
