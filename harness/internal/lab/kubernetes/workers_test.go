package kubernetes

import (
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// TestSeveralWorkers has two pods share attacks of every shape: an open one whose rate changes, a closed one, and probes.
func TestSeveralWorkers(t *testing.T) {
	reach(t)
	r := openWith(t, lab.RuntimeConfig{}, "../../..") // the harness itself
	tp := topology.Topology{
		Roles: []string{topology.RoleOrigin, topology.RoleWorker}, Workers: 2, Worker: []string{"--allow-target=" + topology.RoleOrigin},
	}
	l, err := topology.Start(t.Context(), r, tp, lab.Options{})
	must(t, err)
	origin, _ := l.Node(topology.RoleOrigin)
	var all []load.Worker
	on := map[string]int{} // machine -> workers
	for _, n := range l.Nodes(topology.RoleWorker) {
		all = append(all, load.Worker{Name: n.Name(), Client: load.NewClient("http://" + n.HostAddr(topology.PortWorker))})
		on[n.(lab.Placed).Machine().Name()]++
	}
	if len(all) != 2 {
		t.Fatalf("%d workers, want 2", len(all))
	}
	list, err := r.api.nodes().List(t.Context(), listAll)
	must(t, err)
	count := len(hostsOf(list.Items))
	if count > 1 && on[origin.(lab.Placed).Machine().Name()] > 0 {
		t.Errorf("the workers are on %v, and the origin on %s too", on, origin.(lab.Placed).Machine().Name())
	}
	if count > 2 && len(on) < 2 {
		t.Errorf("of %d machines the workers have %v", count, on)
	}
	w := load.NewWorkers(all...)
	defer w.Close()
	attack := load.Attack{
		Model: load.Open, Target: "http://" + origin.Addr(topology.PortNull), Rate: 200, Warmup: 500 * time.Millisecond,
		Duration: 2 * time.Second, Requests: []load.Request{{Name: "null", Path: "/", Weight: 1}},
		Shape: []load.Segment{{For: time.Second, From: 0.5, To: 0.5}, {For: time.Second, From: 0.5, To: 1.5}},
	}
	attack.ID = "shape"
	res, err := w.Run(t.Context(), attack, nil)
	must(t, err)
	if res.Requests+res.Unsent != 300 || res.Failed != 0 || res.Corrected.Count() != res.Successes {
		t.Errorf("%d requests, %d unsent, %v, %d latencies: want 300 in all", res.Requests, res.Unsent, res.Errors, res.Corrected.Count())
	}
	wantParts(t, res, 2)
	if len(res.Segments) != 2 {
		t.Errorf("segments %+v", res.Segments)
	}

	closed := attack
	closed.ID, closed.Model = "closed", load.Closed
	closed.Shape, closed.Rate = nil, 0
	closed.Connections, closed.Duration = 3, time.Second
	res, err = w.Run(t.Context(), closed, nil)
	must(t, err)
	if res.Successes == 0 || res.Failed != 0 {
		t.Errorf("closed: %+v, %v", res.Counts, res.Errors)
	}
	wantParts(t, res, 2)

	probes := attack
	probes.ID, probes.Model = "probe", load.Probes
	probes.Shape, probes.Rate = nil, 20
	probes.Warmup, probes.Duration = 0, time.Second
	res, err = w.Run(t.Context(), probes, nil)
	must(t, err)
	if len(res.Workers) > 1 || len(res.Probes) != 20 {
		t.Errorf("%d probes of %d workers, want 20 of one", len(res.Probes), len(res.Workers))
	}
	must(t, l.Close(t.Context()))
}

// wantParts fails unless so many workers sent parts, by clocks that were read.
func wantParts(t *testing.T, res *load.Result, n int) {
	t.Helper()
	if len(res.Workers) != n {
		t.Fatalf("%s: workers %+v, want %d", res.Attack.ID, res.Workers, n)
	}
	for _, part := range res.Workers {
		t.Logf("%s: %s sent %d, began %s late, clock known to %s", res.Attack.ID, part.Name, part.Requests, part.Late, part.Uncertain)
		if part.Lost != "" || part.Requests == 0 || part.Uncertain <= 0 {
			t.Errorf("%s: %+v", res.Attack.ID, part)
		}
	}
}
