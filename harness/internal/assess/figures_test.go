package assess

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
)

// gatewayWith is a scrape of a gateway that exports a text.
func gatewayWith(t *testing.T, text string) readings.Metrics {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }))
	defer srv.Close()
	m, err := readings.Scrape(t.Context(), strings.TrimPrefix(srv.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// usedBy are readings two seconds apart of the CPU time that nodes used; a node without a figure was missed.
func usedBy(cpu ...map[string]float64) []readings.Reading {
	var out []readings.Reading
	for i, nodes := range cpu {
		r := readings.Reading{At: time.Unix(int64(2*i), 0), Usage: map[string]lab.Usage{}}
		for name, seconds := range nodes {
			r.Usage[name] = lab.Usage{CPUSeconds: seconds, MemoryBytes: 1 << 20}
		}
		out = append(out, r)
	}
	return out
}

// The CPU time of an attack in which a node of the role was missed does not count, nor do the requests of that attack.
func TestAMissedReadingIsNoCPUPerRequest(t *testing.T) {
	missed := usedBy(
		map[string]float64{"gateway-1": 10, "redis": 3, "lb": 7},
		map[string]float64{"gateway-1": 11, "gateway-2": 500, "lb": 8},
		map[string]float64{"gateway-1": 12, "gateway-2": 501, "lb": 9},
	)
	whole := usedBy(
		map[string]float64{"gateway-1": 12, "redis": 3, "lb": 9},
		map[string]float64{"gateway-1": 14, "redis": 4, "lb": 10},
	)
	var all []*Recording
	for _, r := range [][]readings.Reading{missed, whole} {
		all = append(all, &Recording{Readings: r, Counted: load.Counts{Requests: 1000}})
	}
	var s result.Stage
	(&Measurement{Stage: &scenario.Stage{}}).resources(&s, all)
	if want := map[string]float64{"gateway": 2000, "redis": 1000, "lb": 1500}; !maps.Equal(s.CPUPerRequestUS, want) {
		t.Errorf("CPU per request is %v, want %v", s.CPUPerRequestUS, want)
	}
	if s.MemoryPeakMiB["redis"] != 1 || s.MemoryPeakMiB["gateway-2"] != 1 {
		t.Errorf("memory is %v: one reading is enough for it", s.MemoryPeakMiB)
	}
}

// served is a reading of two origins, of which the second may not answer.
func served(first, second, refused uint64, answers bool) readings.Reading {
	stats := func(n, refused uint64) *readings.OriginStats {
		return &readings.OriginStats{Requests: n, Endpoints: map[string]map[string]uint64{"chat": {"200": n - refused, "429": refused}}}
	}
	r := readings.Reading{Origins: map[string]*readings.OriginStats{"origin": stats(first, refused), "origin-2": nil}}
	if answers {
		r.Origins["origin-2"] = stats(second, 0)
	}
	return r
}

func TestTheCacheLetsPassWhatOriginsCount(t *testing.T) {
	// 100 and 50 in the warm-up; the first is restarted in between.
	all := []readings.Reading{served(100, 50, 10, true), served(160, 0, 12, false), served(7, 80, 1, true)}
	hits := &load.Result{CacheStatus: map[string]uint64{"Hit": 9, "Miss": 1}}
	c := cacheOf([]*Recording{{Result: hits, Readings: all}})
	if c.OriginRequests == nil || *c.OriginRequests != 97 {
		t.Errorf("the cache let %v pass, want 97", c.OriginRequests)
	}
}

func TestAnOriginThatDoesNotAnswerIsUnknown(t *testing.T) {
	for why, all := range map[string][]readings.Reading{
		"it was silent at first":   {served(1, 1, 0, false), served(5, 5, 0, true)},
		"it was silent at the end": {served(1, 1, 0, true), served(5, 5, 0, false)},
		"there is one reading":     {served(1, 1, 0, true)},
		"there is no origin":       {{}, {}},
	} {
		a := &Recording{Result: &load.Result{CacheStatus: map[string]uint64{"Hit": 1}}, Readings: all}
		if c := cacheOf([]*Recording{a}); c.OriginRequests != nil {
			t.Errorf("%s, and the cache let %d pass", why, *c.OriginRequests)
		}
		if l := limitsOf(&scenario.Stage{}, []*Recording{a}); l != nil {
			t.Errorf("%s, and limits are %+v", why, l)
		}
	}
}
