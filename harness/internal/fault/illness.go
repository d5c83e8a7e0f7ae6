package fault

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"gatelab/harness/internal/lab"
)

// illnessFault makes an origin misbehave for a share of its requests.
type illnessFault struct {
	base
	body map[string]any
	addr string // host:port
}

// illnesses are what the origin's admin endpoint is told, by kind of fault.
func illnesses() map[string]func(Spec) map[string]any {
	return map[string]func(Spec) map[string]any{
		KindOrigin429:      func(Spec) map[string]any { return map[string]any{"status": 429} },
		KindOrigin5xx:      func(Spec) map[string]any { return map[string]any{"status": 503} },
		KindOriginSlow:     func(s Spec) map[string]any { return map[string]any{"delay_ms": ms(orElse(s.Latency, 2*time.Second))} },
		KindOriginTruncate: func(Spec) map[string]any { return map[string]any{"truncate": true} },
	}
}

func makeIllness(s Spec, l Lab) (Fault, error) {
	n, err := find(s, l)
	if err != nil {
		return nil, err
	}
	if n.Role() != lab.RoleOrigin {
		return nil, fmt.Errorf("fault %s: %s is no origin", s.Kind, s.Target)
	}
	f := &illnessFault{base: base{s.Kind, s.Target}, body: illnesses()[s.Kind](s), addr: n.HostAddr(lab.PortOrigin)}
	f.body["share"] = 1.0
	if s.Share > 0 {
		f.body["share"] = s.Share
	}
	return f, nil
}

func (f *illnessFault) Inject(ctx context.Context) error {
	return callJSON(ctx, http.MethodPut, "http://"+f.addr+"/illness", f.body, nil)
}

// Effect waits until the origin has disturbed a request, and asks for one
// itself where nobody else does: a cache may stand before it.
func (f *illnessFault) Effect(ctx context.Context) error {
	return until(ctx, 50*time.Millisecond, func(ctx context.Context) (bool, string, error) {
		var stats struct{ Ill uint64 }
		err := callJSON(ctx, http.MethodGet, "http://"+f.addr+"/stats", nil, &stats)
		if err == nil && stats.Ill == 0 {
			// What becomes of it shows in the next look at the counter.
			_ = callJSON(ctx, http.MethodGet, "http://"+f.addr+"/v1/models", nil, nil)
		}
		return err == nil && stats.Ill > 0, "the origin has disturbed no request", err
	})
}

func (f *illnessFault) Recover(ctx context.Context) error {
	return callJSON(ctx, http.MethodDelete, "http://"+f.addr+"/illness", nil, nil)
}

// Recovered asks for a list and wants it whole.
func (f *illnessFault) Recovered(ctx context.Context) error {
	return until(ctx, 50*time.Millisecond, func(ctx context.Context) (bool, string, error) {
		var list any
		err := callJSON(ctx, http.MethodGet, "http://"+f.addr+"/v1/models", nil, &list)
		return err == nil, "", err
	})
}
