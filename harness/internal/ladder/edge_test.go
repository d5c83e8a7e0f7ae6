package ladder

import (
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/session"
)

func edgeStage() *scenario.Stage {
	ms := func(n int) scenario.Link { return scenario.Link{Latency: time.Duration(n) * time.Millisecond} }
	return &scenario.Stage{
		Name: "edge", Seed: 1,
		Edge: scenario.Edge{Origin: ms(33), Countries: []scenario.Country{
			{Name: "cn", Code: "CN", Share: 0.75, Direct: ms(55), Near: ms(22)},
			{Name: "others", Code: "DE", Share: 0.25, Direct: ms(36), Near: ms(3)},
		}},
		Load: scenario.Attacks{Open: scenario.Open{Rate: 400, Warmup: time.Second, Duration: 2 * time.Second}},
		Workload: scenario.Workload{Requests: []scenario.Request{
			{Name: "chat", Method: "POST", Path: "/", Headers: map[string]string{"Content-Type": "text/plain"}, Weight: 1},
		}},
	}
}

func TestOnlyTheEdgeIsToldTheCountry(t *testing.T) {
	s := edgeStage()
	l := &rung{session: &session.Session{Lab: lab.New(nil, lab.Options{})}, stage: s}
	for _, c := range []struct {
		name    string
		i       int
		over    bool
		target  string
		country string
		rate    float64
		id      string
	}{
		{name: "cn direct", i: 0, over: false, target: "http://link:18501", country: "", rate: 300, id: "edge-open-1-cn-direct"},
		{name: "cn over the edge", i: 0, over: true, target: "http://link:18502", country: "CN", rate: 300, id: "edge-open-1-cn-over-the-edge"},
		{name: "others direct", i: 1, over: false, target: "http://link:18503", country: "", rate: 100, id: "edge-open-1-others-direct"},
		{
			name: "others over the edge", i: 1, over: true, target: "http://link:18504", country: "DE", rate: 100,
			id: "edge-open-1-others-over-the-edge",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, label := l.countryAttack(c.i, 1, c.over)
			header := a.Requests[0].Header
			if label != c.name || a.Target != c.target || a.Rate != c.rate || a.ID != c.id {
				t.Errorf("%s: %+v, want %+v", label, a, c)
			}
			if header[countryHeader] != c.country || header["Content-Type"] != "text/plain" {
				t.Errorf("headers %v, want the country %q", header, c.country)
			}
			if err := a.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
	if len(s.Workload.Requests[0].Headers) != 1 {
		t.Error("the scenario's own headers were changed")
	}
}
