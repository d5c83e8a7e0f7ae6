package fault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatelab/gatelab/harness/internal/topology"
)

// KindChurn changes the configuration over and over.
const KindChurn = "churn"

// churnRate is the default, in changes per second.
const churnRate = 10

// churn changes a service of its own, through the replicas' Admin APIs in turn.
type churn struct {
	base
	admins []string // URLs
	rate   float64
	cancel context.CancelFunc
	work   sync.WaitGroup
	done   atomic.Int64 // acknowledged changes
	last   atomic.Pointer[error]
}

const churnName = "gatelab-churn"

func makeChurn(s Spec, l Lab) (Fault, error) {
	f := &churn{base: base{s.Kind, s.Target}, rate: s.Rate}
	if f.rate == 0 {
		f.rate = churnRate
	}
	for _, n := range l.Nodes(topology.RoleGateway) {
		f.admins = append(f.admins, "http://"+n.HostAddr(topology.PortAdmin))
	}
	if len(f.admins) == 0 {
		return nil, fmt.Errorf("fault %s: the lab has no gateway", s.Kind)
	}
	return f, nil
}

func (f *churn) Setup(ctx context.Context) error {
	if err := f.make(ctx); err != nil {
		return errors.Join(err, Clean(ctx, f)) // a request that was cut short may have been carried out
	}
	return nil
}

func (f *churn) make(ctx context.Context) error {
	if err := callJSON(ctx, http.MethodPut, f.admins[0]+"/services/"+churnName,
		map[string]any{"host": "churn.invalid", "port": 80, "protocol": "http"}, nil); err != nil {
		return err
	}
	return callJSON(ctx, http.MethodPut, f.admins[0]+"/services/"+churnName+"/routes/"+churnName,
		map[string]any{"paths": []string{"/gatelab-churn"}}, nil)
}

func (f *churn) Inject(ctx context.Context) error {
	going, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f.cancel = cancel
	f.work.Go(func() {
		tick := time.NewTicker(time.Duration(float64(time.Second) / f.rate))
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-going.Done():
				return
			case <-tick.C:
			}
			err := callJSON(going, http.MethodPatch, f.admins[i%len(f.admins)]+"/routes/"+churnName,
				map[string]any{"paths": []string{fmt.Sprintf("/gatelab-churn-%d", i)}}, nil)
			if err == nil {
				f.done.Add(1)
			} else if going.Err() == nil {
				f.last.Store(&err)
			}
		}
	})
	return nil
}

// Effect is that changes are acknowledged.
func (f *churn) Effect(ctx context.Context) error {
	return until(ctx, 20*time.Millisecond, func(context.Context) (bool, string, error) {
		var err error
		if p := f.last.Load(); p != nil {
			err = *p
		}
		return f.done.Load() >= 3, "no change was acknowledged", err
	})
}

func (f *churn) Recover(context.Context) error {
	if f.cancel != nil {
		f.cancel()
		f.work.Wait()
	}
	return nil
}

func (f *churn) Recovered(context.Context) error { return nil }

func (f *churn) Cleanup(ctx context.Context) error {
	return errors.Join(
		ignoreNotFound(callJSON(ctx, http.MethodDelete, f.admins[0]+"/routes/"+churnName, nil, nil)),
		ignoreNotFound(callJSON(ctx, http.MethodDelete, f.admins[0]+"/services/"+churnName, nil, nil)))
}
