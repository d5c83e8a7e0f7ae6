package policy

import (
	"fmt"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// enforcer turns NetworkPolicies into rules. It lacks ports by name and the exceptions of address blocks.
type enforcer struct {
	pods     []*core.Pod
	spaces   []*core.Namespace
	policies []*networking.NetworkPolicy
}

// rules are the input of iptables-restore. Packets from or to a pod that a policy isolates go through a chain of that pod, in which those
// that nothing allows are dropped.
func (e enforcer) rules() string {
	var b strings.Builder
	fmt.Fprintf(&b, "*filter\n:%s - [0:0]\n", policyChain)
	for _, pod := range e.pods {
		over := pod.Status.Phase == core.PodSucceeded || pod.Status.Phase == core.PodFailed
		if pod.Status.PodIP == "" || pod.Spec.HostNetwork || over {
			continue
		}
		e.isolate(&b, pod, networking.PolicyTypeIngress, "-d", "-s")
		e.isolate(&b, pod, networking.PolicyTypeEgress, "-s", "-d")
	}
	b.WriteString("COMMIT\n")
	return b.String()
}

// isolate writes a pod's chain of one direction, if a policy selects the pod. own and other are the matches of its address and its peer's.
func (e enforcer) isolate(b *strings.Builder, pod *core.Pod, way networking.PolicyType, own, other string) {
	chain := fmt.Sprintf("GATELAB-%s-%s", way[:2], pod.UID[:8])
	isolated := false
	var allowed []string
	for _, p := range e.policies {
		if p.Namespace != pod.Namespace || !selects(&p.Spec.PodSelector, pod.Labels) || !slices.Contains(p.Spec.PolicyTypes, way) {
			continue
		}
		isolated = true
		if way == networking.PolicyTypeIngress {
			for _, r := range p.Spec.Ingress {
				allowed = append(allowed, e.matches(other, p.Namespace, r.From, r.Ports)...)
			}
			continue
		}
		for _, r := range p.Spec.Egress {
			allowed = append(allowed, e.matches(other, p.Namespace, r.To, r.Ports)...)
		}
	}
	if !isolated {
		return
	}
	fmt.Fprintf(b, ":%s - [0:0]\n", chain)
	fmt.Fprintf(b, "-A %s -m conntrack --ctstate ESTABLISHED,RELATED -m conntrack --ctdir REPLY -j RETURN\n", chain)
	for _, m := range allowed {
		fmt.Fprintf(b, "-A %s %s -j RETURN\n", chain, m)
	}
	fmt.Fprintf(b, "-A %s -j DROP\n", chain)
	fmt.Fprintf(b, "-A %s %s %s -j %s\n", policyChain, own, pod.Status.PodIP, chain)
}

// matches are the packets that one rule allows: each of its peers on each of its ports.
func (e enforcer) matches(other, space string, peers []networking.NetworkPolicyPeer, ports []networking.NetworkPolicyPort) (out []string) {
	for _, from := range e.addresses(other, space, peers) {
		for _, port := range portMatches(ports) {
			out = append(out, strings.TrimSpace(from+" "+port))
		}
	}
	return out
}

func (e enforcer) addresses(other, space string, peers []networking.NetworkPolicyPeer) []string {
	if len(peers) == 0 {
		return []string{""}
	}
	var out []string
	for _, peer := range peers {
		if peer.IPBlock != nil {
			out = append(out, other+" "+peer.IPBlock.CIDR)
			continue
		}
		for _, pod := range e.pods {
			if pod.Status.PodIP != "" && e.isPeer(peer, space, pod) {
				out = append(out, other+" "+pod.Status.PodIP)
			}
		}
	}
	return out
}

func portMatches(ports []networking.NetworkPolicyPort) []string {
	if len(ports) == 0 {
		return []string{""}
	}
	var out []string
	for _, p := range ports {
		match := "-p tcp"
		if p.Protocol != nil && *p.Protocol == core.ProtocolUDP {
			match = "-p udp"
		}
		if p.Port != nil {
			match += fmt.Sprintf(" --dport %d", p.Port.IntValue())
			if p.EndPort != nil {
				match += fmt.Sprintf(":%d", *p.EndPort)
			}
		}
		out = append(out, match)
	}
	return out
}

func (e enforcer) isPeer(peer networking.NetworkPolicyPeer, space string, pod *core.Pod) bool {
	if peer.PodSelector != nil && !selects(peer.PodSelector, pod.Labels) {
		return false
	}
	if peer.NamespaceSelector == nil {
		return pod.Namespace == space
	}
	for _, s := range e.spaces {
		if s.Name == pod.Namespace {
			return selects(peer.NamespaceSelector, s.Labels)
		}
	}
	return false
}

func selects(s *meta.LabelSelector, of map[string]string) bool {
	selector, err := meta.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(labels.Set(of))
}
