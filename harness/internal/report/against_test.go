package report

import (
	"reflect"
	"testing"
)

func TestARunAgainstAnother(t *testing.T) {
	first, second := sample(), sample()
	second.Stages[2].QPS, second.Stages[2].ErrorRate = p(12_581.3*2), nil
	second.Stages = second.Stages[1:]
	first.Settle()
	second.Settle()
	got := Against(first, second)
	if len(got) != 2 || got[0].Stage != "cache" || got[1].Stage != "multi" {
		t.Fatalf("got %+v, want the stages that both have", got)
	}
	if got[0].Note == "" || got[0].Rows[0].Ratio != "n/a" || got[0].Rows[0].First != "9,012" {
		t.Errorf("a stage that is not valid has a ratio: %+v", got[0])
	}
	want := []PairingRow{
		{"QPS, closed-loop", "12,581", "25,163", "2.00"}, {"offered, open-loop", "8,800", "8,800", "1.00"}, {"p50", "1.21 ms", "1.21 ms", "1.00"},
		{"p99", "21.3 ms", "21.3 ms", "1.00"}, {"errors", "0.034%", "n/a", "n/a"}, {"CPU us per request", "153", "153", "1.00"},
	}
	if !reflect.DeepEqual(got[1].Rows, want) {
		t.Errorf("got %v, want %v", got[1].Rows, want)
	}
}

func TestDifferencesOfManifests(t *testing.T) {
	first, second := sample(), sample()
	if got := Differences(first, second); len(got) != 0 {
		t.Errorf("a run differs from itself: %v", got)
	}
	second.Manifest.Cores, second.Profile, second.Manifest.Cgroup = 8, "smoke", ""
	second.Manifest.CommandLine = []string{"harness"}
	want := [][3]string{{"profile", "full", "smoke"}, {"CPU", "2 x Example 2.0GHz", "8 x Example 2.0GHz"}, {"cgroup", "v2", "n/a"}}
	if got := Differences(first, second); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestBrief(t *testing.T) {
	r := sample()
	r.Settle()
	b := r.Brief()
	if b.Stage != "multi" || b.QPS != "12,581" || b.P99 != "21.3 ms" || b.Errors != "0.034%" || b.Commit != "012345678+changes" || b.Valid {
		t.Errorf("got %+v", b)
	}
	empty := &Result{}
	empty.Settle()
	if b := empty.Brief(); b.QPS != "n/a" || b.Stage != "" || b.Commit != "" {
		t.Errorf("of nothing: %+v", b)
	}
}
