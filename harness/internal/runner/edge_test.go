package runner

import (
	"testing"
	"time"

	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/load"
	"gatelab/harness/internal/scenario"
)

func edgeStage() *scenario.Stage {
	ms := func(n int) scenario.Link { return scenario.Link{Latency: time.Duration(n) * time.Millisecond} }
	return &scenario.Stage{
		Name: "edge", Seed: 1,
		Edge: scenario.Edge{Origin: ms(33), Countries: []scenario.Country{
			{Name: "cn", Code: "CN", Share: 0.75, Direct: ms(55), Near: ms(22), Published: &scenario.CountryPublished{DirectMs: 120, HitRatio: 0.72}},
			{Name: "others", Code: "DE", Share: 0.25, Direct: ms(36), Near: ms(3)},
		}},
		Load:     scenario.Attacks{Open: scenario.Open{Rate: 400, Warmup: time.Second, Duration: 2 * time.Second}},
		Workload: scenario.Workload{Requests: []scenario.Request{{Name: "chat", Method: "POST", Path: "/", Headers: map[string]string{"Content-Type": "text/plain"}, Weight: 1}}},
	}
}

func TestOnlyTheEdgeIsToldTheCountry(t *testing.T) {
	s := edgeStage()
	r := &run{lab: lab.New(nil, lab.Options{})}
	for _, c := range []struct {
		i       int
		over    bool
		target  string
		country string
		rate    float64
		id      string
	}{
		{0, false, "http://link:18501", "", 300, "edge-open-1-cn-direct"},
		{0, true, "http://link:18502", "CN", 300, "edge-open-1-cn-over-the-edge"},
		{1, false, "http://link:18503", "", 100, "edge-open-1-others-direct"},
		{1, true, "http://link:18504", "DE", 100, "edge-open-1-others-over-the-edge"},
	} {
		a, _ := r.countryAttack(s, c.i, 1, c.over)
		if a.Target != c.target || a.Rate != c.rate || a.ID != c.id || a.Requests[0].Header[countryHeader] != c.country || a.Requests[0].Header["Content-Type"] != "text/plain" {
			t.Errorf("%+v, want %+v", a, c)
		}
		if err := a.Validate(); err != nil {
			t.Errorf("%s: %v", a.ID, err)
		}
	}
	if len(s.Workload.Requests[0].Headers) != 1 {
		t.Error("the scenario's own headers were changed")
	}
	if e := edgeOf(s); e == nil || len(e.Ways) != 2 || e.Ways[1].Near.Latency != 3*time.Millisecond || e.Origin.Latency != 33*time.Millisecond {
		t.Errorf("edge %+v", e)
	}
	if edgeOf(&scenario.Stage{}) != nil {
		t.Error("a stage without countries has an edge")
	}
}

func TestCountriesMergeTheirOwnRounds(t *testing.T) {
	began := time.Unix(1000, 0)
	at := func(n int, rate float64, edge map[string]uint64, ms ...int) *attacked {
		res := &load.Result{
			Attack: load.Attack{Model: load.Open, Rate: rate}, Began: began.Add(time.Duration(n) * time.Minute), Ended: began.Add(time.Duration(n)*time.Minute + time.Second),
			Counts: load.Counts{Requests: uint64(len(ms)), Successes: uint64(len(ms))}, EdgeCache: edge,
		}
		for _, v := range ms {
			res.Corrected.Record(time.Duration(v) * time.Millisecond)
		}
		return &attacked{result: res}
	}
	m := &measured{
		stage:  edgeStage(),
		direct: []*attacked{at(0, 300, nil, 110), at(1, 100, nil, 70), at(4, 300, nil, 130), at(5, 100, nil, 90)},
		open: []*attacked{
			at(2, 300, map[string]uint64{"HIT": 1, "MISS": 1}, 40), at(3, 100, map[string]uint64{"BYPASS": 4}, 75),
			at(6, 300, map[string]uint64{"HIT": 1, "STALE": 1}, 50), at(7, 100, nil, 77),
		},
	}
	got := new(run).countries(m)
	if len(got) != 2 {
		t.Fatalf("%d countries", len(got))
	}
	cn, others := got[0], got[1]
	near := func(have *float64, want float64) bool { return have != nil && *have > want-0.5 && *have < want+0.5 }
	if !near(cn.DirectMS.Mean, 120) || !near(cn.EdgeMS.Mean, 45) || !near(others.DirectMS.Mean, 80) || !near(others.EdgeMS.Mean, 76) {
		t.Errorf("means %v %v %v %v", *cn.DirectMS.Mean, *cn.EdgeMS.Mean, *others.DirectMS.Mean, *others.EdgeMS.Mean)
	}
	if *cn.HitRatio != 0.75 || *others.HitRatio != 0 || *cn.OfferedQPS != 300 || cn.NearLinkMS != 22 || cn.OriginLinkMS != 33 {
		t.Errorf("%+v, %+v", cn, others)
	}
	if *cn.Published.DirectMS != 120 || cn.Published.EdgeMS != nil || others.Published != nil {
		t.Errorf("published %+v, %+v", cn.Published, others.Published)
	}
	m.open = nil
	if got := new(run).countries(m); got != nil {
		t.Errorf("figures of what was not measured: %+v", got)
	}
}
