package result_test

import (
	"math"
	"reflect"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/result/resulttest"
)

func TestPair(t *testing.T) {
	first, second := resulttest.Ladder(), resulttest.Ladder()
	second.Stages[2].QPS, second.Stages[2].ErrorRate = p(12_581.3*2), nil
	second.Stages = second.Stages[1:]
	first.Settle()
	second.Settle()
	got := result.Pair(first, second)
	if len(got) != 2 || got[0].Stage != "cache" || got[1].Stage != "multi" {
		t.Fatalf("got %+v, want the stages that both have", got)
	}
	if row := got[0].Rows[0]; got[0].Note == "" || row.Ratio != nil || row.First == nil || *row.First != 9_012.5 {
		t.Errorf("a stage that is not valid has a ratio: %+v", got[0])
	}
	want := []result.PairingRow{
		{Metric: "QPS, closed-loop", First: p(12_581.3), Second: p(25_162.6), Ratio: p(2.0)},
		{Metric: "offered, open-loop", First: p(8_800.0), Second: p(8_800.0), Ratio: p(1.0)},
		{Metric: "p50", Unit: result.UnitMS, First: p(1.21), Second: p(1.21), Ratio: p(1.0)},
		{Metric: "p99", Unit: result.UnitMS, First: p(21.3), Second: p(21.3), Ratio: p(1.0)},
		{Metric: "errors", Unit: result.UnitShare, First: p(0.000335)},
		{Metric: "CPU us per request", First: p(152.5), Second: p(152.5), Ratio: p(1.0)},
	}
	for i := range got[1].Rows {
		for _, v := range []*float64{got[1].Rows[i].First, got[1].Rows[i].Second} {
			if v != nil {
				*v = math.Round(*v*1e9) / 1e9 // a sum of floats
			}
		}
	}
	if !reflect.DeepEqual(got[1].Rows, want) {
		t.Errorf("got %+v, want %+v", got[1].Rows, want)
	}
}

func TestDifferencesOfManifests(t *testing.T) {
	first, second := resulttest.Ladder(), resulttest.Ladder()
	if got := result.Differences(first, second); len(got) != 0 {
		t.Errorf("a run differs from itself: %v", got)
	}
	second.Manifest.Cores = 8
	second.Profile = "smoke"
	second.Manifest.Cgroup = ""
	second.Manifest.CommandLine = []string{"harness"}
	want := []result.Difference{
		{Name: "profile", First: "full", Second: "smoke"},
		{Name: "CPU", First: "2 x Example 2.0GHz", Second: "8 x Example 2.0GHz"},
		{Name: "cgroup", First: "v2"},
	}
	if got := result.Differences(first, second); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSummary(t *testing.T) {
	r := resulttest.Ladder()
	r.Settle()
	s := r.Summary()
	if s.Stage != "multi" || *s.QPS != 12_581.3 || *s.P99MS != 21.3 || *s.ErrorRate != 0.000335 || s.Commit != "012345678+changes" || s.Valid {
		t.Errorf("got %+v", s)
	}
	empty := &result.Result{}
	empty.Settle()
	if s := empty.Summary(); s.QPS != nil || s.Stage != "" || s.Commit != "" {
		t.Errorf("of nothing: %+v", s)
	}
}
