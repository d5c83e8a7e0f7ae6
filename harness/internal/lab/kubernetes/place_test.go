package kubernetes

import (
	"maps"
	"slices"
	"testing"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// specs are nodes by their names.
func specs(names ...string) (all []lab.Spec) {
	for _, name := range names {
		s := lab.Spec{Name: name, Role: lab.RoleOf(name)}
		if s.Role == roleWorker {
			s.Env = map[string]string{threads: "1", "GOGC": "400"}
		}
		all = append(all, s)
	}
	return all
}

func machines(names ...string) (all []host) {
	for _, name := range names {
		all = append(all, host{name: name, cores: 8})
	}
	return all
}

func TestPlaces(t *testing.T) {
	nodes := []string{"postgres", "redis", "gateway-1", "gateway-2", "gateway-3", "lb", "lb-2"}
	for _, row := range []struct {
		name     string
		spread   bool
		machines []string
		workers  []string
		want     map[string]string // node -> machine; the scheduler places the others
		avoided  []string          // by the others
	}{
		{name: "one machine", machines: []string{"a"}, workers: []string{"worker"}, want: map[string]string{"worker": "a"}},
		{
			name: "one worker", machines: []string{"a", "b"}, workers: []string{"worker"},
			want: map[string]string{"worker": "b"}, avoided: []string{"b"},
		},
		{
			name: "two workers leave a machine to the others", machines: []string{"a", "b"}, workers: []string{"worker", "worker-2"},
			want: map[string]string{"worker": "b", "worker-2": "b"}, avoided: []string{"b"},
		},
		{
			name: "each worker on a machine of its own", machines: []string{"a", "b", "c", "d"}, workers: []string{"worker", "worker-2"},
			want: map[string]string{"worker": "c", "worker-2": "d"}, avoided: []string{"c", "d"},
		},
		{
			name: "more workers than machines", machines: []string{"a", "b", "c"}, workers: []string{"worker", "worker-2", "worker-3"},
			want: map[string]string{"worker": "b", "worker-2": "c", "worker-3": "b"}, avoided: []string{"b", "c"},
		},
		{
			name: "replicas spread over two machines", spread: true, machines: []string{"a", "b"}, workers: []string{"worker"},
			want: map[string]string{
				"worker": "b", "postgres": "a", "redis": "a", "gateway-1": "a", "gateway-2": "b", "gateway-3": "a", "lb": "b", "lb-2": "a",
			},
		},
		{
			name: "replicas spread over machines without workers", spread: true, machines: []string{"a", "b", "c"}, workers: []string{"worker"},
			want: map[string]string{
				"worker": "c", "postgres": "a", "redis": "a", "gateway-1": "a", "gateway-2": "b", "gateway-3": "a", "lb": "b", "lb-2": "a",
			},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := placing{spread: row.spread}
			all := specs(append(row.workers, nodes...)...)
			p.add(machines(row.machines...), all)
			if !maps.Equal(p.places, row.want) {
				t.Errorf("places %v, want %v", p.places, row.want)
			}
			p.add(machines(append([]string{"0"}, row.machines...)...), all[:1])
			if !maps.Equal(p.places, row.want) {
				t.Errorf("with one more machine, what has a place moves: %v", p.places)
			}
			p.add(machines(row.machines...), nil)
			for _, s := range all {
				wantPreference(t, s.Name, p.affinity(s), row.want[s.Name], row.avoided)
			}
		})
	}
}

// wantPreference fails unless a pod prefers its machine, or else avoids others.
func wantPreference(t *testing.T, name string, a *core.Affinity, at string, avoided []string) {
	t.Helper()
	want := meta.LabelSelectorOpNotIn
	values := avoided
	if at != "" {
		want, values = meta.LabelSelectorOpIn, []string{at}
	}
	if len(values) == 0 {
		if a != nil {
			t.Errorf("%s prefers %v", name, a)
		}
		return
	}
	if a == nil {
		t.Errorf("%s has no preference, want %s %v", name, want, values)
		return
	}
	got := a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution[0].Preference.MatchExpressions[0]
	if got.Key != labelHost || string(got.Operator) != string(want) || !slices.Equal(got.Values, values) {
		t.Errorf("%s prefers %v, want %s %v", name, got, want, values)
	}
}

// TestThreadsOfAWorker are by the cores of its machine, and not by those of the machine that runs the harness.
func TestThreadsOfAWorker(t *testing.T) {
	for _, row := range []struct {
		name     string
		machines []string
		want     string
	}{
		{name: "a machine of its own", machines: []string{"a", "b", "c"}, want: "4"},
		{name: "a machine for two workers", machines: []string{"a", "b"}, want: "2"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := &Runtime{config: lab.RuntimeConfig{RunID: "r1"}}
			all := specs("worker", "worker-2", "gateway-1")
			r.placing.add(machines(row.machines...), all)
			got := map[string]string{}
			for _, e := range r.podOf(all[0], image{}).Spec.Containers[0].Env {
				got[e.Name] = e.Value
			}
			if want := map[string]string{threads: row.want, "GOGC": "400"}; !maps.Equal(got, want) {
				t.Errorf("environment %v, want %v", got, want)
			}
			if len(r.podOf(all[2], image{}).Spec.Containers[0].Env) != 0 || all[0].Env[threads] != "1" {
				t.Error("the environment of another node, or the spec's own, was changed")
			}
		})
	}
}

// TestHosts: machines that take no pods are left out.
func TestHosts(t *testing.T) {
	machine := func(name string, change func(*core.Node)) core.Node {
		n := core.Node{ObjectMeta: meta.ObjectMeta{Name: name, Labels: map[string]string{labelHost: name + ".local"}}}
		n.Status.Conditions = []core.NodeCondition{{Type: core.NodeReady, Status: core.ConditionTrue}}
		n.Status.Allocatable = core.ResourceList{core.ResourceCPU: resource.MustParse("3500m")}
		change(&n)
		return n
	}
	got := hostsOf([]core.Node{
		machine("b", func(n *core.Node) { n.Labels = nil }),
		machine("a", func(n *core.Node) {
			n.Spec.Taints = []core.Taint{{Key: "slow", Effect: core.TaintEffectPreferNoSchedule}}
		}),
		machine("cordoned", func(n *core.Node) { n.Spec.Unschedulable = true }),
		machine("control", func(n *core.Node) { n.Spec.Taints = []core.Taint{{Key: "control", Effect: core.TaintEffectNoSchedule}} }),
		machine("lost", func(n *core.Node) { n.Status.Conditions[0].Status = core.ConditionUnknown }),
	})
	if want := []host{{name: "a.local", cores: 3}, {name: "b", cores: 3}}; !slices.Equal(got, want) {
		t.Errorf("machines %v, want %v", got, want)
	}
}
