package result

import (
	"reflect"
	"strings"
	"testing"
)

func p[T any](v T) *T { return &v }

func TestRemarksOnPublishedFigures(t *testing.T) {
	tests := []struct {
		name        string
		published   Published
		connections int
		want        []string
	}{
		{name: "the ladder's first: Little's law and the error rate contradict it",
			published: Published{QPS: p(200.0), P50MS: p(450.0), P99MS: p(1200.0), ErrorRate: p(0.032), Availability: p(0.995)}, connections: 400,
			want: []string{
				"400 connections at 200 QPS mean 2.0 s per request (Little's law), not 450 ms at the median and 1.2 s at p99:" +
					" the slowest hundredth would have to take 119 s on average",
				"an error rate of 3.2% leaves 96.8% of the requests good, not 99.5%: the published availability is not that of the same requests",
			}},
		{name: "the ladder's last fits: 400 at 12,300 mean 33 ms", published: Published{QPS: p(12300.0), P50MS: p(25.0), P99MS: p(180.0)},
			connections: 400, want: nil},
		{name: "with 90 connections the first would fit too", published: Published{QPS: p(200.0), P50MS: p(450.0), P99MS: p(1200.0)},
			connections: 90, want: nil},
		{name: "its own connections count, not ours", published: Published{QPS: p(200.0), Connections: p(90), P50MS: p(450.0),
			P99MS: p(1200.0)}, connections: 400, want: nil},
		{name: "percentiles that are too slow for the rate", published: Published{QPS: p(40_000.0), P50MS: p(450.0), P99MS: p(1200.0)},
			connections: 400,
			want: []string{
				"400 connections at 40,000 QPS mean 10 ms per request (Little's law), not 450 ms at the median and 1.2 s at p99:" +
					" those alone make a mean of at least 232 ms",
			}},
		{
			name:        "a median alone",
			published:   Published{QPS: p(200.0), P50MS: p(450.0)},
			connections: 400,
			want:        []string{"400 connections at 200 QPS mean 2.0 s per request (Little's law), which a median of 450 ms does not fit"},
		},
		{name: "a median alone that fits", published: Published{QPS: p(200.0), P50MS: p(1900.0)}, connections: 400, want: nil},
		{name: "without connections nothing can be said", published: Published{QPS: p(200.0), P50MS: p(450.0), P99MS: p(1200.0)},
			connections: 0, want: nil},
		{name: "a rate of zero is no rate", published: Published{QPS: p(0.0), P50MS: p(450.0)}, connections: 400, want: nil},
		{name: "error rate and availability that agree", published: Published{ErrorRate: p(0.005), Availability: p(0.995)}, connections: 400,
			want: nil},
		{name: "nothing", published: Published{}, connections: 400, want: nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.published.remarks(test.connections); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestPublishedFiguresAreComparedWithTheClosedLoop(t *testing.T) {
	published := &Published{QPS: p(12300.0), P50MS: p(25.0), P99MS: p(180.0), ErrorRate: p(0.002)}
	stage := func(qps, p50, p99, errors float64) Stage {
		return Stage{
			Published: published, QPS: &qps, ClosedLatencyMS: &Latency{P50: &p50, P99: &p99}, ClosedErrorRate: &errors,
			LatencyMS: &Latency{P50: p(78.0), P99: p(530.0)}, ErrorRate: p(0.5), // of the open loop, which is not compared
		}
	}
	for _, c := range []struct {
		name  string
		stage Stage
		want  string
	}{
		{name: "better in all", stage: stage(21_503, 13.7, 78, 0),
			want: "closed loop compared with closed loop, this run reaches the published QPS, p50, p99, errors"},
		{name: "slower and with errors", stage: stage(9_000, 13.7, 78, 0.003),
			want: "closed loop compared with closed loop, this run reaches the published p50, p99, and not the published QPS, errors"},
		{name: "worse in all", stage: stage(9_000, 40, 400, 0.003),
			want: "closed loop compared with closed loop, this run does not reach the published QPS, p50, p99, errors"},
		{name: "QPS alone was published", stage: Stage{QPS: p(12_300.0), Published: &Published{QPS: p(12_300.0)}},
			want: "closed loop compared with closed loop, this run reaches the published QPS"},
		{name: "no closed loop", stage: Stage{Published: published, LatencyMS: &Latency{P50: p(1.0)}}},
		{name: "nothing published", stage: Stage{QPS: p(1.0)}},
	} {
		if got := c.stage.compared(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
