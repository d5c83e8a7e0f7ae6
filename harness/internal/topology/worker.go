package topology

import (
	"fmt"
	"runtime"
	"strconv"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// MaxWorkers is how many workers a lab may have.
const MaxWorkers = 9

func (t Topology) checkWorkers() error {
	if t.Workers < 0 || t.Workers > MaxWorkers {
		return fmt.Errorf("workers: %d is not allowed: want 1 to %d", t.Workers, MaxWorkers)
	}
	return nil
}

// workers are the nodes that make the load together.
func (t Topology) workers(l lab.Layout) []lab.Spec {
	var specs []lab.Spec
	for i := 1; i <= max(t.Workers, 1); i++ {
		specs = append(specs, Worker(t, l, i))
	}
	return specs
}

// Worker makes the load, or the i-th part of it, from 1.
func Worker(t Topology, l lab.Layout, i int) lab.Spec {
	name := NameOf(RoleWorker, i)
	args := []string{"worker", "--listen=" + l.ListenAddr(name, PortWorker)}
	return t.limit(lab.Spec{
		Name: name, Role: RoleWorker, Program: lab.ProgramHarness, Args: append(args, t.Worker...),
		// One thread for two cores, of all workers together: on a small machine waking
		// a second one costs the generator more than it gains (17 us of CPU per request,
		// not 19, in a closed loop, 46 against 62 in an open one).
		// Memory is cheaper than a collection while requests are due.
		Env: map[string]string{"GOMAXPROCS": strconv.Itoa(max(1, runtime.NumCPU()/2/max(t.Workers, 1))), "GOGC": "400"},
		// It must send when a request is due, however busy the others are.
		CPUWeight: 8192,
		Ports:     []int{PortWorker}, Ready: readyHTTP(PortWorker, "/health"),
	})
}
