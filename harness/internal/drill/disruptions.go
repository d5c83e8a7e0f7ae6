package drill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatelab/gatelab/harness/internal/alerting"
	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// disruption is the cause of an alert. end is called whenever begin was, also if
// that failed half way.
type disruption interface {
	begin(ctx context.Context) error
	end(ctx context.Context) error
}

// disruptions are this lab's, by cause.
func (d *drill) disruptions() map[string]disruption {
	origin := func(kind string, share float64, late time.Duration) disruption {
		var both disruptionList
		for i := 1; i <= max(d.stage.Topology.Origins, 1); i++ {
			both = append(both, d.disrupt(fault.Spec{Kind: kind, Target: topology.NameOf(topology.RoleOrigin, i), Share: share, Latency: late}))
		}
		return both
	}
	return map[string]disruption{
		alerting.KillReplica:       d.disrupt(fault.Spec{Kind: fault.KindKill, Target: cutReplica}),
		alerting.LoseJob:           &lostJob{d},
		alerting.FirstRequestsFail: &firstErrors{d},
		alerting.FreezeReplicaDB:   &frozenReplica{d},
		alerting.BadConfiguration:  &rejectedConfiguration{d},
		alerting.TellNoUsage:       &untoldUsage{drill: d},
		alerting.EmptyCacheForGood: &purgeLoop{drill: d},
		alerting.FillRedis:         &fullRedis{d},
		alerting.StopRedis:         d.disrupt(fault.Spec{Kind: fault.KindKill, Target: topology.RoleRedis}),
		alerting.OriginRefuses:     origin(fault.KindOrigin429, 0.3, 0),
		alerting.TargetGone:        &cutProxy{d, wayOrigin},
		alerting.OriginFails:       origin(fault.KindOrigin5xx, 0.3, 0),
		alerting.OriginSlow:        origin(fault.KindOriginSlow, 1, 800*time.Millisecond),
		alerting.SlowPostgres: disruptionList{
			d.disrupt(fault.Spec{Kind: fault.KindLatency, Target: topology.RolePostgres, Latency: 300 * time.Millisecond}),
			&lookupLoad{drill: d},
		},
	}
}

// disruptionList is several disruptions at once.
type disruptionList []disruption

func (s disruptionList) begin(ctx context.Context) error {
	for _, t := range s {
		if err := t.begin(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s disruptionList) end(ctx context.Context) error {
	var errs []error
	for _, t := range s {
		errs = append(errs, t.end(ctx))
	}
	return errors.Join(errs...)
}

// faultDisruption is a fault of package fault that lasts as long as an alert needs.
type faultDisruption struct {
	lab   fault.Lab
	spec  fault.Spec
	fault fault.Fault // nil: nothing to recover
}

func (t *faultDisruption) begin(ctx context.Context) error {
	f, err := fault.Make(t.spec, t.lab)
	if err != nil {
		return err
	}
	if err := f.Setup(ctx); err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	t.fault = f
	// Not cancelled half way: what is not known to be broken cannot be repaired.
	injecting, done := context.WithTimeout(context.WithoutCancel(ctx), stepWithin)
	defer done()
	if err := f.Inject(injecting); err != nil {
		return fmt.Errorf("inject: %w", err)
	}
	seeing, cancel := context.WithTimeout(ctx, stepWithin)
	defer cancel()
	if err := f.Effect(seeing); err != nil {
		return fmt.Errorf("%w: %w", fault.ErrNoEffect, err)
	}
	return nil
}

func (t *faultDisruption) end(ctx context.Context) error {
	if t.fault == nil {
		return nil
	}
	f := t.fault
	t.fault = nil
	err := f.Recover(ctx)
	if err == nil {
		err = f.Recovered(ctx)
	}
	return errors.Join(err, fault.Clean(ctx, f))
}

// stepWithin is what injecting a fault, and seeing its effect, may take each.
const stepWithin = 10 * time.Second
