package fault_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// hang is a fault whose target never becomes healthy again.
type hang struct {
	fault.Fault
	cleaned error
}

func (f *hang) Recovered(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
func (f *hang) Cleanup(ctx context.Context) error   { f.cleaned = ctx.Err(); return nil }

func TestCleanupHasATimeOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := fault.New(fault.KindPause, newNode(), nil)
		s := &hang{Fault: f, cleaned: errors.New("not called")}
		if _, err := fault.Run(t.Context(), s, fault.Plan{}); err == nil || !strings.Contains(err.Error(), "not recovered") {
			t.Errorf("error %v, want that it did not recover", err)
		}
		if s.cleaned != nil {
			t.Errorf("cleaned up with %v: the recovery had used all of the time", s.cleaned)
		}
	})
}

func TestWithoutEffectIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode()
		n.deaf = true
		f, _ := fault.New(fault.KindPause, n, nil)
		if _, err := fault.Run(t.Context(), f, fault.Plan{}); !errors.Is(err, fault.ErrNoEffect) {
			t.Errorf("error %v, want ErrNoEffect", err)
		}
		// A run that is stopped before the effect could be observed does not show that
		// there is none.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := fault.Run(ctx, f, fault.Plan{}); err == nil || errors.Is(err, fault.ErrNoEffect) {
			t.Errorf("error %v, want another one than ErrNoEffect", err)
		}
	})
}

// A churn that is stopped while it makes its service removes it.
func TestAChurnCutShortLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	var calls []string
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		calls = append(calls, r.Method+" "+r.URL.Path)
		mu.Unlock()
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Method == http.MethodPut {
			cancel() // the service is there, and the answer does not arrive
			<-r.Context().Done()
		}
	}))
	defer admin.Close()
	l := nodes{&otherNode{linkNode: linkNode{node: newNode()}, role: topology.RoleGateway, addr: strings.TrimPrefix(admin.URL, "http://")}}
	f, err := fault.Make(fault.Spec{Kind: fault.KindChurn, Target: topology.RoleGateway}, l)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fault.Run(ctx, f, fault.Plan{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that it was stopped", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Contains(calls, "DELETE /services/gatelab-churn") {
		t.Errorf("calls %v, and the service is still there", calls)
	}
}
