package fault

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/gatelab/gatelab/harness/internal/topology"
)

// originFault makes an origin misbehave for a share of its requests.
type originFault struct {
	base
	body map[string]any
	addr string // host:port
}

// misbehaviors are what the origin's admin endpoint is told, by kind of fault.
func misbehaviors() map[string]func(Spec) map[string]any {
	return map[string]func(Spec) map[string]any{
		KindOrigin429: origin429, KindOrigin5xx: origin5xx, KindOriginSlow: originSlow, KindOriginTruncate: originTruncate,
	}
}

func makeOriginFault(s Spec, l Lab) (Fault, error) {
	n, err := find(s, l)
	if err != nil {
		return nil, err
	}
	if n.Role() != topology.RoleOrigin {
		return nil, fmt.Errorf("fault %s: %s is no origin", s.Kind, s.Target)
	}
	f := &originFault{base: base{s.Kind, s.Target}, body: misbehaviors()[s.Kind](s), addr: n.HostAddr(topology.PortOrigin)}
	f.body["share"] = 1.0
	if s.Share > 0 {
		f.body["share"] = s.Share
	}
	return f, nil
}

func (f *originFault) Inject(ctx context.Context) error {
	return callJSON(ctx, http.MethodPut, "http://"+f.addr+"/illness", f.body, nil)
}

// Effect waits until the origin has disturbed a request. It sends one itself if
// no other did: there may be a cache in front of the origin.
func (f *originFault) Effect(ctx context.Context) error {
	return until(ctx, 50*time.Millisecond, func(ctx context.Context) (bool, string, error) {
		var stats struct{ Ill uint64 }
		err := callJSON(ctx, http.MethodGet, "http://"+f.addr+"/stats", nil, &stats)
		if err == nil && stats.Ill == 0 {
			// The next look at the counter shows whether it was disturbed.
			_ = callJSON(ctx, http.MethodGet, "http://"+f.addr+"/v1/models", nil, nil)
		}
		return err == nil && stats.Ill > 0, "the origin has disturbed no request", err
	})
}

func (f *originFault) Recover(ctx context.Context) error {
	return callJSON(ctx, http.MethodDelete, "http://"+f.addr+"/illness", nil, nil)
}

// Recovered waits until a list arrives whole.
func (f *originFault) Recovered(ctx context.Context) error {
	return until(ctx, 50*time.Millisecond, func(ctx context.Context) (bool, string, error) {
		var list any
		err := callJSON(ctx, http.MethodGet, "http://"+f.addr+"/v1/models", nil, &list)
		return err == nil, "", err
	})
}
