package readings

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

func gatewayWith(t *testing.T, text string) Metrics {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }))
	defer srv.Close()
	m, err := Scrape(t.Context(), strings.TrimPrefix(srv.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const scraped = `# TYPE gateway_cache_requests_total counter
gateway_cache_requests_total{outcome="hit",tier="memory"} 7
gateway_cache_requests_total{outcome="hit",tier="redis"} 2
gateway_cache_requests_total{outcome="miss",tier=""} 1
# TYPE wait histogram
wait_bucket{le="0.1"} 90
wait_bucket{le="1"} 99
wait_bucket{le="+Inf"} 100
wait_sum 20
wait_count 100
`

func TestScrapedValuesAreSummedByLabel(t *testing.T) {
	m := gatewayWith(t, scraped)
	if v, ok := m.Value("gateway_cache_requests_total", "outcome", "hit"); !ok || v != 9 {
		t.Errorf("hits are %v %v", v, ok)
	}
	if _, ok := m.Value("gateway_cache_requests_total", "outcome", "stale"); ok {
		t.Error("an absent series is zero")
	}
	if n := m.Observations("wait"); n != 100 {
		t.Errorf("observations are %v", n)
	}
	h := map[float64]float64{}
	m.Buckets("wait", h)
	if q, ok := BucketQuantile(h, 0.99); !ok || q != 1 {
		t.Errorf("p99 is %v %v", q, ok)
	}
	if _, ok := BucketQuantile(h, 0.999); ok {
		t.Error("a quantile beyond the last bound is known")
	}
}

func TestCountersGoOnAcrossARestart(t *testing.T) {
	at := func(n string, cpu float64) Reading {
		return Reading{
			Usage:    map[string]lab.Usage{"gateway-1": {CPUSeconds: cpu, MemoryBytes: uint64(cpu)}},
			Gateways: map[string]Metrics{"gateway-1": gatewayWith(t, "# TYPE c counter\nc "+n+"\n")},
		}
	}
	// 10 -> 15, then restarted: 0 -> 4.
	readings := []Reading{at("10", 2), at("15", 5), {}, at("4", 1)}
	if n, ok := Grown(readings, "c"); !ok || n != 9 {
		t.Errorf("the counter grew by %v %v, want 9", n, ok)
	}
	for i := range readings {
		readings[i].At = time.Unix(int64(10*i), 0)
	}
	if u := Spent(readings)["gateway-1"]; u.CPUSeconds != 4 || u.MemoryPeakBytes != 5 {
		t.Errorf("spent %+v, want 4 s and a peak of 5", u)
	}
}

func TestNobodyUsesMoreThanTheMachine(t *testing.T) {
	at := func(s int64, cpu float64) Reading {
		return Reading{At: time.Unix(s, 0), Usage: map[string]lab.Usage{"gateway-2": {CPUSeconds: cpu}}}
	}
	// The reading of a dying process shows the whole machine since it was started.
	if u := Spent([]Reading{at(0, 5), at(2, 6), at(4, 90000), at(6, 7)})["gateway-2"]; u.CPUSeconds != 2 {
		t.Errorf("spent %v s, want 2", u.CPUSeconds)
	}
}
