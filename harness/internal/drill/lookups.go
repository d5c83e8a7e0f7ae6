package drill

import (
	"context"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/stage"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// lookupLoad is traffic straight to the replica that looks every request up.
type lookupLoad struct {
	*drill
	stop   func()
	failed error // why the traffic ended early; read after stop
}

// lookupRate wants more connections at a time than the pool has: 60/s,
// each 300 ms, are 18.
const lookupRate = 60

func (t *lookupLoad) begin(ctx context.Context) error {
	a := stage.Workload(t.session, t.stage, load.Probes, 1) // a worker does one other attack at a time
	a.ID += "-lookups"
	a.Target = t.session.URL(lookupReplica, topology.PortProxy)
	a.Rate, a.Timeout = lookupRate, 5*time.Second
	a.Duration = fireWithin + resolveWithin
	t.stop = t.load(ctx, a, func(err error) { t.failed = err })
	return nil
}

func (t *lookupLoad) end(context.Context) error {
	if t.stop == nil {
		return nil
	}
	t.stop()
	return t.failed
}
