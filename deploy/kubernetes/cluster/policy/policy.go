// Package policy enforces NetworkPolicies on a node by iptables.
package policy

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// policyChain is the chain of FORWARD that holds all rules.
const policyChain = "GATELAB-POLICY"

// resync is how often informers go through all that they know.
const resync = time.Minute

// Enforce makes a node's packet filter follow the policies, until it cannot go on. A change of a pod, a namespace or a policy writes the
// chain anew. bridge-nf-call-iptables is on in a new network namespace, so that pods of one node are kept apart as well.
func Enforce(api kubernetes.Interface) error {
	factory := informers.NewSharedInformerFactory(api, resync)
	pods, spaces := factory.Core().V1().Pods(), factory.Core().V1().Namespaces()
	policies := factory.Networking().V1().NetworkPolicies()
	changed := make(chan struct{}, 1)
	note := func() {
		select {
		case changed <- struct{}{}:
		default: // one is waiting
		}
	}
	for _, i := range []cache.SharedIndexInformer{pods.Informer(), policies.Informer(), spaces.Informer()} {
		if _, err := i.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { note() }, UpdateFunc: func(any, any) { note() }, DeleteFunc: func(any) { note() },
		}); err != nil {
			return err
		}
	}
	ctx := context.Background()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	if err := hookChain(); err != nil {
		return err
	}
	var last string
	for range changed {
		rules, err := rulesOf(pods.Lister().List, policies.Lister().List, spaces.Lister().List)
		if err != nil {
			return err
		}
		if rules == last {
			continue
		}
		if err := restore(rules); err != nil {
			fmt.Println(err, rules)
			continue
		}
		last = rules
	}
	return nil
}

func hookChain() error {
	_ = exec.Command("iptables", "-w", "-N", policyChain).Run() // a node that was powered on again may have it
	if exec.Command("iptables", "-w", "-C", "FORWARD", "-j", policyChain).Run() == nil {
		return nil
	}
	if out, err := exec.Command("iptables", "-w", "-I", "FORWARD", "1", "-j", policyChain).CombinedOutput(); err != nil {
		return fmt.Errorf("iptables: %w: %s", err, out)
	}
	return nil
}

func restore(rules string) error {
	c := exec.Command("iptables-restore", "-w", "--noflush")
	c.Stdin = strings.NewReader(rules)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("iptables-restore: %w: %s", err, out)
	}
	return nil
}

// list is what a lister lists.
type list[T any] func(labels.Selector) ([]*T, error)

func rulesOf(pods list[core.Pod], policies list[networking.NetworkPolicy], spaces list[core.Namespace]) (string, error) {
	var e enforcer
	var err error
	if e.pods, err = pods(labels.Everything()); err != nil {
		return "", err
	}
	if e.spaces, err = spaces(labels.Everything()); err != nil {
		return "", err
	}
	if e.policies, err = policies(labels.Everything()); err != nil {
		return "", err
	}
	return e.rules(), nil
}
