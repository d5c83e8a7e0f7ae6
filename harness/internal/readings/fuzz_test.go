package readings

import (
	"bytes"
	"math"
	"testing"
	"time"
)

// What a gateway or another exporter says of itself is read, or refused.
func FuzzParseMetrics(f *testing.F) {
	for _, s := range []string{
		"", "# TYPE a counter\na{status=\"200\"} 1\n", "a 1 2 3\n", "a{b=\"\\\"} NaN\n",
		"# TYPE h histogram\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 1\nh_count 2\n",
		"# TYPE h histogram\nh_bucket{le=\"NaN\"} 5\nh_bucket{le=\"-1\"} 9\nh_count 2\n# TYPE s summary\ns{quantile=\"0.5\"} 1\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMetrics(bytes.NewReader(b))
		if err != nil {
			return
		}
		for name := range m {
			_, _ = m.Value(name, "status", "200")
			m.Observations(name)
			h := map[float64]float64{}
			m.Buckets(name, h)
			if len(h) == 0 {
				continue
			}
			if v, ok := BucketQuantile(h, 0.99); ok && math.IsInf(v, 1) {
				t.Fatalf("%s: an infinite quantile counts as known", name)
			}
			BucketMean(h)
		}
	})
}

// Files of /proc are read, or not known; what is known can be compared.
func FuzzParseProc(f *testing.F) {
	f.Add("cpu  1 2 3 4 5 6 7 8 9 10", "some avg10=0.00 avg60=0.00 avg300=0.00 total=123", "MemTotal:       16384 kB\n")
	f.Add("cpu 1 2", "total=", "MemTotal:")
	f.Add("cpu 18446744073709551615 1 1 1 1 1 1 1", "some total=9223372036854775807", "MemTotal: -1 kB")
	f.Add("cpu nan nan nan nan nan nan nan nan", "some avg10=NaN avg60=0 avg300=0 total=18446744073709551615", "MemTotal: 1")
	f.Fuzz(func(t *testing.T, stat, psi, memory string) {
		dir := procWith(t, map[string]string{"stat": stat, "pressure/cpu": psi, "meminfo": memory})
		got := readMachine(procAt(t, dir))
		later := Machine{CPU: &CPUTimes{All: math.MaxFloat64, Busy: math.MaxFloat64, Stolen: math.MaxFloat64}}
		for name, share := range map[string]*float64{"busy": got.Busy(later), "stolen": got.Steal(later)} {
			if share != nil && !(*share >= 0) {
				t.Fatalf("%s %v", name, *share)
			}
		}
		first := Reading{At: time.Unix(0, 0), Machine: Machine{Pressure: new(time.Duration)}}
		if p := first.Waiting(Reading{At: time.Unix(1, 0), Machine: got}); p != nil && !(*p >= 0 && *p <= 1) {
			t.Fatalf("pressure %v", *p)
		}
		t.Setenv("HOST_PROC", dir)
		Describe()
	})
}
