package engine

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
)

// Requests that take longer than a second are counted in the second in which
// they end, or the progress of a slow target would be "0 QPS" until its end.
func TestProgressOfASlowTargetHasItsRate(t *testing.T) {
	c, _ := worker(t)
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(2500 * time.Millisecond):
		case <-r.Context().Done():
		}
	}))
	defer slow.Close()
	rates := map[float64]int{}
	_, err := c.Run(t.Context(), load.Attack{ID: "slow", Model: load.Closed, Connections: 50, Target: slow.URL, Duration: 8 * time.Second,
		Timeout: 10 * time.Second, Requests: []load.Request{{Name: "get", Path: "/"}}}, func(p load.Progress) {
		if p.State == load.Running {
			rates[p.QPS]++
			if p.QPS > 0 && (p.P50 < 2400*time.Millisecond || p.P99 < p.P50) {
				t.Errorf("%.0f QPS with p50 %s, p99 %s", p.QPS, p.P50, p.P99)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	// All fifty end together, in the seconds 2, 5 and 7.
	if seen := len(rates); seen < 2 || rates[50] == 0 {
		t.Errorf("rates %v, want 50 in some seconds", rates)
	}
}

// An attack of an hour has 3,600 seconds in its series: each look at it has the
// last ones only.
func TestALookAtALongAttackIsShort(t *testing.T) {
	c, _ := worker(t)
	most := 0
	r, err := c.Run(t.Context(), load.Attack{ID: "long", Model: load.Open, Rate: 50, Target: null(t), Duration: 8 * time.Second,
		Requests: []load.Request{{Name: "get", Path: "/"}}}, func(p load.Progress) { most = max(most, len(p.Series)) })
	if most < 2 || most > 5 {
		t.Errorf("up to %d seconds in one look", most)
	}
	if err != nil || len(r.Series) != 8 {
		t.Errorf("%+v %v", r, err)
	}
}
