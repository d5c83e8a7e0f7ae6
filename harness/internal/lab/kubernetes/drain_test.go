package kubernetes

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/lab"
)

// TestDrain drains a machine of a lab whose nodes are spread over two.
func TestDrain(t *testing.T) {
	reach(t)
	r := openWith(t, lab.RuntimeConfig{Spread: true}, "../docker/testdata/standin")
	l, err := lab.Start(t.Context(), r, []lab.Spec{
		standin("origin", "origin"), standin("gateway-1", "gateway"), standin("gateway-2", "gateway"), standin("worker", roleWorker),
	}, lab.Options{})
	must(t, err)
	on := map[string]lab.Machine{}
	for _, n := range l.Nodes("") {
		on[n.Name()] = n.(lab.Placed).Machine()
	}
	if on["gateway-1"].Name() == on["gateway-2"].Name() {
		t.Skipf("the cluster has one machine, %s: a drain is not tested", on["gateway-1"].Name())
	}
	if on["origin"].Name() != on["gateway-1"].Name() {
		t.Errorf("the origin is on %s, want the first machine, %s", on["origin"].Name(), on["gateway-1"].Name())
	}
	f, err := fault.Make(fault.Spec{Kind: fault.KindDrain, Target: "gateway-2"}, fault.NewLab(l))
	must(t, err)
	worker, _ := l.Node("worker")
	gateway1, _ := l.Node("gateway-1")
	gateway2, _ := l.Node("gateway-2")
	e, err := fault.Run(t.Context(), f, fault.Plan{RecoverAfter: time.Second, OnStep: func(step string, _ fault.Event) {
		if step != fault.StepEffect {
			return
		}
		for _, n := range []lab.Node{worker, gateway1} {
			if _, err := fetch(n, "/"); err != nil {
				t.Errorf("during the drain: %s: %v", n.Name(), err)
			}
		}
		if _, err := fetch(gateway2, "/"); err == nil {
			t.Error("during the drain gateway-2 answers")
		}
	}})
	must(t, err)
	t.Logf("drained after %s, recovered after %s", e.EffectObservedAt.Sub(e.InjectedAt), e.RecoveredAt.Sub(e.RecoverAt))
	if _, err := fetch(gateway2, "/"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if got := gateway2.(lab.Placed).Machine().Name(); got != on["gateway-2"].Name() {
		t.Errorf("gateway-2 is on %s now, and was on %s", got, on["gateway-2"].Name())
	}
	if cordoned, err := on["gateway-2"].Cordoned(t.Context()); cordoned || err != nil {
		t.Errorf("afterwards machine %s is cordoned: %v, %v", on["gateway-2"].Name(), cordoned, err)
	}
	must(t, l.Close(t.Context()))
}

// TestEvictionWaitsForTheBudget: as long as a disruption budget forbids it a node stays.
func TestEvictionWaitsForTheBudget(t *testing.T) {
	r := open(t, "")
	l, err := lab.Start(t.Context(), r, []lab.Spec{standin("gateway-1", "gateway")}, lab.Options{})
	must(t, err)
	n, _ := l.Node("gateway-1")
	budgets := "/apis/policy/v1/namespaces/" + r.space + "/poddisruptionbudgets"
	budget := `{"apiVersion":"policy/v1","kind":"PodDisruptionBudget","metadata":{"name":"all"},
		"spec":{"minAvailable":1,"selector":{"matchLabels":{"` + labelRole + `":"gateway"}}}}`
	must(t, r.api.core.Post().AbsPath(budgets).SetHeader("Content-Type", "application/json").Body([]byte(budget)).Do(t.Context()).Error())
	eventually(t, "the budget is in force", func() error {
		body, err := r.api.core.Get().AbsPath(budgets + "/all").DoRaw(t.Context())
		if err == nil && !strings.Contains(string(body), `"currentHealthy":1`) {
			err = errors.New(string(body))
		}
		return err
	})
	short, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	err = n.(lab.Placed).Evict(short, time.Second)
	if err == nil || !strings.Contains(err.Error(), "disruption budget") {
		t.Errorf("error %v, want the budget's", err)
	}
	if s, err := n.State(t.Context()); err != nil || !s.Running {
		t.Errorf("the node is %+v, %v", s, err)
	}
	must(t, r.api.core.Delete().AbsPath(budgets+"/all").Do(t.Context()).Error())
	must(t, n.(lab.Placed).Evict(t.Context(), time.Second))
	if s, err := n.State(t.Context()); err != nil || s.Running {
		t.Errorf("after its eviction the node is %+v, %v", s, err)
	}
	must(t, n.Start(t.Context()))
	must(t, l.Ready(t.Context(), "gateway-1"))
	must(t, l.Close(t.Context()))
}

// TestCordonsAreTakenBack: what a lab that is closed, or that was killed, has cordoned is used again; what others have cordoned is not.
func TestCordonsAreTakenBack(t *testing.T) {
	r := open(t, "")
	must(t, r.Prepare(t.Context(), nil))
	list, err := r.api.nodes().List(t.Context(), listAll)
	must(t, err)
	m := machine{r, list.Items[len(list.Items)-1].Name}
	wantCordoned := func(want bool) {
		t.Helper()
		if got, err := m.Cordoned(t.Context()); err != nil || got != want {
			t.Errorf("machine %s is cordoned: %v, %v; want %v", m.name, got, err, want)
		}
	}
	must(t, m.Cordon(t.Context()))
	if err := m.Cordon(t.Context()); err == nil || !strings.Contains(err.Error(), "cordoned already") {
		t.Errorf("a second cordon: %v", err)
	}
	other := open(t, "")
	must(t, machine{other, m.name}.Uncordon(t.Context()))
	removed, err := other.Sweep(t.Context())
	must(t, err)
	wantCordoned(true)
	if len(removed) != 0 {
		t.Errorf("of a living run %v was removed", removed)
	}
	must(t, r.Close(t.Context()))
	wantCordoned(false)

	dead := machine{&Runtime{api: r.api, config: lab.RuntimeConfig{RunID: "dead"}}, m.name}
	must(t, dead.Cordon(t.Context()))
	removed, err = other.Sweep(t.Context())
	must(t, err)
	wantCordoned(false)
	if len(removed) != 1 || removed[0] != "cordon of machine "+m.name {
		t.Errorf("removed: %v", removed)
	}

	patch := func(unschedulable string) {
		t.Helper()
		must(t, r.api.core.Patch("application/merge-patch+json").Resource("nodes").Name(m.name).
			Body([]byte(`{"spec":{"unschedulable":`+unschedulable+`}}`)).Do(t.Context()).Error())
	}
	patch("true") // as kubectl cordon does
	defer patch("false")
	_, err = other.Sweep(t.Context())
	must(t, err)
	must(t, m.Uncordon(t.Context()))
	wantCordoned(true)
}
