package policy

import (
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func pod(name, ip string) *core.Pod {
	return &core.Pod{
		ObjectMeta: meta.ObjectMeta{Name: name, Namespace: "lab", UID: types.UID(name + "-0123456789"), Labels: map[string]string{"app": name}},
		Status:     core.PodStatus{PodIP: ip, Phase: core.PodRunning},
	}
}

func selecting(app string) meta.LabelSelector {
	return meta.LabelSelector{MatchLabels: map[string]string{"app": app}}
}

// TestRules: what policies say is in the rules, and nothing else.
func TestRules(t *testing.T) {
	port := intstr.FromInt32(80)
	client := selecting("client")
	deny := networking.NetworkPolicySpec{PodSelector: selecting("server"), PolicyTypes: []networking.PolicyType{networking.PolicyTypeIngress}}
	letIn := deny
	letIn.Ingress = []networking.NetworkPolicyIngressRule{{
		From:  []networking.NetworkPolicyPeer{{PodSelector: &client}},
		Ports: []networking.NetworkPolicyPort{{Port: &port}},
	}}
	everyone := deny
	everyone.Ingress = []networking.NetworkPolicyIngressRule{{}}
	elsewhere := deny
	elsewhere.PodSelector = selecting("nobody")
	const drop, allowed = "-A GATELAB-In-server-0 -j DROP", "-A GATELAB-In-server-0 -s 10.244.1.3 -p tcp --dport 80 -j RETURN"
	for _, c := range []struct {
		name         string
		spec         networking.NetworkPolicySpec
		want, wantNo []string
	}{
		{name: "deny", spec: deny, want: []string{drop, "-A GATELAB-POLICY -d 10.244.1.2 -j GATELAB-In-server-0"}, wantNo: []string{allowed}},
		{name: "a peer on a port", spec: letIn, want: []string{drop, allowed}, wantNo: []string{"-d 10.244.1.3"}},
		{name: "everyone", spec: everyone, want: []string{"-A GATELAB-In-server-0  -j RETURN", drop}},
		{name: "selects none", spec: elsewhere, wantNo: []string{"DROP"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := enforcer{
				pods:     []*core.Pod{pod("server", "10.244.1.2"), pod("client", "10.244.1.3"), pod("other", "10.244.2.2")},
				policies: []*networking.NetworkPolicy{{ObjectMeta: meta.ObjectMeta{Namespace: "lab"}, Spec: c.spec}},
			}
			got := e.rules()
			if !strings.HasPrefix(got, "*filter\n") || !strings.HasSuffix(got, "COMMIT\n") {
				t.Errorf("this is no input of iptables-restore:\n%s", got)
			}
			for _, line := range c.want {
				if !strings.Contains(got, line+"\n") {
					t.Errorf("no %q in\n%s", line, got)
				}
			}
			for _, text := range c.wantNo {
				if strings.Contains(got, text) {
					t.Errorf("%q in\n%s", text, got)
				}
			}
		})
	}
}
