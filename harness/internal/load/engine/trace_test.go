package engine

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/otlp"
)

// Every probe begins a trace of its own, and tells of it. Without Trace there is none.
func TestProbesBeginTraces(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	target := server(t, func(_ http.ResponseWriter, q *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[q.Header.Get(otlp.TraceparentHeader)]++
	})
	a := load.Attack{Model: load.Probes, Rate: 100, Target: target, Duration: 200 * time.Millisecond, Trace: true}
	r := do(t, a)
	if len(r.Probes) != 20 || len(seen) != 20 {
		t.Fatalf("%d probes, %d traces", len(r.Probes), len(seen))
	}
	for _, p := range r.Probes {
		c, err := otlp.ParseContext([]byte(p.Trace))
		if err != nil || !c.Sampled || seen[p.Trace] != 1 || p.Name == "" {
			t.Errorf("probe %+v: %v; sent %d times", p, err, seen[p.Trace])
		}
	}
	clear(seen)
	a.Trace = false
	if r = do(t, a); r.Probes[0].Trace != "" || len(seen) != 1 || seen[""] != 20 {
		t.Errorf("untraced: %+v, the server saw %v", r.Probes[0], seen)
	}
}
