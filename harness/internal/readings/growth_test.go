package readings

import (
	"maps"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// looks are readings two seconds apart; a node without a figure was missed.
func looks(cpu ...map[string]float64) []Reading {
	var out []Reading
	for i, nodes := range cpu {
		r := Reading{At: time.Unix(int64(2*i), 0), Usage: map[string]lab.Usage{}}
		for name, seconds := range nodes {
			r.Usage[name] = lab.Usage{CPUSeconds: seconds, MemoryBytes: 1 << 20}
		}
		out = append(out, r)
	}
	return out
}

func TestAMissedReadingIsNoCPU(t *testing.T) {
	readings := looks(
		map[string]float64{"gateway-1": 10, "redis": 3, "lb": 7},
		map[string]float64{"gateway-1": 11, "gateway-2": 500, "lb": 8},
		map[string]float64{"gateway-1": 12, "gateway-2": 501, "lb": 9},
	)
	used := Spent(readings)
	for name, want := range map[string]bool{"gateway-1": true, "gateway-2": false, "redis": false, "lb": true} {
		if used[name].Known != want {
			t.Errorf("%s is known: %v, want %v", name, used[name].Known, want)
		}
	}
	if s := used["gateway-2"].CPUSeconds; s > 1 {
		t.Errorf("gateway-2 is charged with %v s that it had used before", s)
	}
	if got := CPUByRole(used); !maps.Equal(got, map[string]float64{"lb": 2}) {
		t.Errorf("CPU by role is %v, want the balancer's alone", got)
	}
}

func TestAMissedReadingIsNoGrowth(t *testing.T) {
	at := func(text map[string]string) Reading {
		r := Reading{Gateways: map[string]Metrics{}}
		for node, s := range text {
			r.Gateways[node] = gatewayWith(t, s)
		}
		return r
	}
	count := func(n, bucket string) string {
		return "# TYPE c counter\nc " + n + "\n# TYPE h histogram\nh_bucket{le=\"1\"} " + bucket +
			"\nh_bucket{le=\"+Inf\"} " + bucket + "\nh_sum 1\nh_count " + bucket + "\n"
	}
	readings := []Reading{
		at(map[string]string{"gateway-1": count("10", "100"), "gateway-3": ""}),
		at(map[string]string{"gateway-1": count("12", "110"), "gateway-2": count("900", "9000"), "gateway-3": count("4", "1")}),
		at(map[string]string{"gateway-1": count("15", "120"), "gateway-2": count("901", "9001")}),
	}
	// 5 of the first, 1 of the second since it was seen, and 4 of the third, which
	// had no such series at first.
	if n, ok := Grown(readings, "c"); !ok || n != 10 {
		t.Errorf("the counter grew by %v %v, want 10", n, ok)
	}
	if h := HistogramGrowth(readings, "h"); h[1] != 20 {
		t.Errorf("the histogram grew by %v, want 20", h)
	}
}
