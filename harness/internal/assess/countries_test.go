package assess

import (
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/scenario"
)

// edgeStage has two countries.
func edgeStage() *scenario.Stage {
	ms := func(n int) scenario.Link { return scenario.Link{Latency: time.Duration(n) * time.Millisecond} }
	published := &scenario.CountryPublished{DirectMs: 120, HitRatio: 0.72}
	return &scenario.Stage{
		Name: "edge",
		Edge: scenario.Edge{Origin: ms(33), Countries: []scenario.Country{
			{Name: "cn", Code: "CN", Share: 0.75, Direct: ms(55), Near: ms(22), Published: published},
			{Name: "others", Code: "DE", Share: 0.25, Direct: ms(36), Near: ms(3)},
		}},
	}
}

func TestCountriesMergeTheirOwnRounds(t *testing.T) {
	began := time.Unix(1000, 0)
	at := func(n int, rate float64, edge map[string]uint64, ms ...int) *Recording {
		res := &load.Result{
			Attack: load.Attack{Model: load.Open, Rate: rate}, EdgeCache: edge,
			Began: began.Add(time.Duration(n) * time.Minute), Ended: began.Add(time.Duration(n)*time.Minute + time.Second),
			Counts: load.Counts{Requests: uint64(len(ms)), Successes: uint64(len(ms))},
		}
		for _, v := range ms {
			res.Corrected.Record(time.Duration(v) * time.Millisecond)
		}
		return &Recording{Result: res}
	}
	m := &Measurement{
		Stage:  edgeStage(),
		Direct: []*Recording{at(0, 300, nil, 110), at(1, 100, nil, 70), at(4, 300, nil, 130), at(5, 100, nil, 90)},
		Open: []*Recording{
			at(2, 300, map[string]uint64{"HIT": 1, "MISS": 1}, 40), at(3, 100, map[string]uint64{"BYPASS": 4}, 75),
			at(6, 300, map[string]uint64{"HIT": 1, "STALE": 1}, 50), at(7, 100, nil, 77),
		},
	}
	got := m.countries()
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
	m.Open = nil
	if got := m.countries(); got != nil {
		t.Errorf("figures of what was not measured: %+v", got)
	}
}
