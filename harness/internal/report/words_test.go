package report

import (
	"reflect"
	"strings"
	"testing"
)

func TestFigures(t *testing.T) {
	tests := []struct{ why, got, want string }{
		{"thousands are grouped", figure(1_234_567), "1,234,567"},
		{"above a hundred there are no fractions", figure(188.6), "189"},
		{"between, three digits", figure(31.42), "31.4"},
		{"zeros at the end say nothing", figure(25), "25"},
		{"small figures keep two digits", figure(0.0123), "0.012"},
		{"rounding up does not add a digit", figure(99.96), "100"},
		{"zero was measured", figureOr(p(0.0)), "0"},
		{"nil was not", figureOr(nil), "n/a"},
		{"negative", grouped(-1234), "-1,234"},
		{"a percent", percent(0.032), "3.2%"},
		{"a small share", percent(0.000335), "0.034%"},
		{"a smaller share", percent(0.0000021), "0.00021%"},
		{"nearly all is never shown as all", percent(0.9999999), "99.999%"},
		{"published availability", percent(0.9998), "99.98%"},
		{"all", percent(1), "100%"},
		{"none", percent(0), "0%"},
		{"a large ratio", times(p(61.4)), "61x"},
		{"a ratio", times(p(1.26)), "1.3x"},
		{"below one", times(p(0.82)), "0.82x"},
		{"seconds", span(2000), "2.0 s"},
		{"milliseconds", span(450), "450 ms"},
	}
	for _, test := range tests {
		t.Run(test.why, func(t *testing.T) {
			if test.got != test.want {
				t.Errorf("got %q, want %q", test.got, test.want)
			}
		})
	}
}

func TestRemarksOnPublishedFigures(t *testing.T) {
	tests := []struct {
		why         string
		published   Published
		connections int
		want        []string
	}{
		{"the ladder's first: Little's law and the error rate contradict it",
			Published{QPS: p(200.0), P50MS: p(450.0), P99MS: p(1200.0), ErrorRate: p(0.032), Availability: p(0.995)}, 400,
			[]string{
				"400 connections at 200 QPS mean 2.0 s a request (Little's law), not 450 ms at the median and 1.2 s at p99: the slowest hundredth would have to take 119 s on average",
				"an error rate of 3.2% leaves 96.8% of the requests good, not 99.5%: the published availability is not that of the same requests",
			}},
		{"the ladder's last fits: 400 at 12,300 mean 33 ms", Published{QPS: p(12300.0), P50MS: p(25.0), P99MS: p(180.0)}, 400, nil},
		{"with 90 connections the first would fit too", Published{QPS: p(200.0), P50MS: p(450.0), P99MS: p(1200.0)}, 90, nil},
		{"its own connections count, not ours", Published{QPS: p(200.0), Connections: p(90), P50MS: p(450.0), P99MS: p(1200.0)}, 400, nil},
		{"percentiles that are too slow for the rate", Published{QPS: p(40_000.0), P50MS: p(450.0), P99MS: p(1200.0)}, 400,
			[]string{"400 connections at 40,000 QPS mean 10 ms a request (Little's law), not 450 ms at the median and 1.2 s at p99: those alone make a mean of at least 232 ms"}},
		{"a median alone", Published{QPS: p(200.0), P50MS: p(450.0)}, 400, []string{"400 connections at 200 QPS mean 2.0 s a request (Little's law), which a median of 450 ms does not fit"}},
		{"a median alone that fits", Published{QPS: p(200.0), P50MS: p(1900.0)}, 400, nil},
		{"without connections nothing can be said", Published{QPS: p(200.0), P50MS: p(450.0), P99MS: p(1200.0)}, 0, nil},
		{"a rate of zero is no rate", Published{QPS: p(0.0), P50MS: p(450.0)}, 400, nil},
		{"error rate and availability that agree", Published{ErrorRate: p(0.005), Availability: p(0.995)}, 400, nil},
		{"nothing", Published{}, 400, nil},
	}
	for _, test := range tests {
		t.Run(test.why, func(t *testing.T) {
			if got := test.published.remarks(test.connections); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestLadderRatios(t *testing.T) {
	stage := func(name string, qps float64, replicas int, valid bool) Stage {
		return Stage{Name: name, QPS: p(qps), Replicas: replicas, Valid: valid}
	}
	t.Run("against the first and the one before", func(t *testing.T) {
		r := Result{Stages: []Stage{stage("a", 100, 1, true), stage("b", 200, 1, true), stage("c", 600, 1, true)}}
		if l := r.ladder(); *l[2].VsFirst != 6 || *l[2].VsPrevious != 3 || l[0].VsFirst != nil {
			t.Errorf("got %v %v", *l[2].VsFirst, *l[2].VsPrevious)
		}
	})
	t.Run("never to or from a stage that is not valid", func(t *testing.T) {
		r := Result{Stages: []Stage{stage("a", 100, 1, true), stage("b", 200, 1, false), stage("c", 600, 1, true)}}
		if l := r.ladder(); l[1].VsFirst != nil || l[1].VsPrevious != nil || l[2].VsPrevious != nil || *l[2].VsFirst != 6 {
			t.Errorf("got %+v", l)
		}
	})
	t.Run("replicas that bought availability alone", func(t *testing.T) {
		before := stage("limits", 9000, 1, true)
		before.Bottleneck = &Bottleneck{Component: "machine"}
		r := Result{Stages: []Stage{before, stage("multi", 9090, 3, true)}}
		want := "3 replicas in place of 1: 1.0x the capacity: a replica was not the limit (machine limited limits); what they buy is availability"
		if got := r.ladder()[1].Note; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("replicas that bought capacity", func(t *testing.T) {
		before := stage("limits", 5000, 1, true)
		before.Bottleneck = &Bottleneck{Component: "gateway"}
		r := Result{Stages: []Stage{before, stage("multi", 12500, 3, true)}}
		want := "3 replicas in place of 1: 2.5x the capacity (gateway limited limits), and the loss of one no longer takes the service down"
		if got := r.ladder()[1].Note; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestTicks(t *testing.T) {
	tests := []struct {
		why  string
		got  []float64
		want []float64
	}{
		{"round steps that reach the top", niceTicks(12581, 5), []float64{0, 5000, 10000, 15000}},
		{"a top that is round is not passed", niceTicks(20, 4), []float64{0, 5, 10, 15, 20}},
		{"nothing", niceTicks(0, 4), []float64{0, 1}},
		{"powers of ten around the figures", logTicks(0.4, 140), []float64{0.1, 1, 10, 100, 1000}},
		{"one figure", logTicks(10, 10), []float64{10, 100}},
		{"a tick above the figures only where they are", logTicks(1, 1e30)[:3], []float64{1, 10, 100}},
		{"nothing to scale", logTicks(0, 0), []float64{1, 10}},
	}
	for _, test := range tests {
		t.Run(test.why, func(t *testing.T) {
			if len(test.got) != len(test.want) {
				t.Fatalf("got %v, want %v", test.got, test.want)
			}
			for i := range test.got {
				if d := test.got[i] - test.want[i]; d > 1e-9 || d < -1e-9 {
					t.Errorf("got %v, want %v", test.got, test.want)
				}
			}
		})
	}
}

func TestBenchLinesAreOnesThatBenchstatReads(t *testing.T) {
	r := sample()
	r.Settle()
	lines := 0
	for _, l := range strings.Split(rendered(t, FileBench, r), "\n") {
		f := strings.Fields(l)
		if !strings.HasPrefix(l, "Benchmark") {
			continue
		}
		lines++
		if len(f) < 4 || len(f)%2 != 0 {
			t.Errorf("%q is not a name, a count and pairs of value and unit", l)
		}
	}
	if lines != 4 { // one round, two rounds, one round
		t.Errorf("%d lines, want one for each stage and round: 4", lines)
	}
}
