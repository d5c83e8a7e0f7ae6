package plugin

import (
	"encoding/hex"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// The trace of a sampled request is the exemplar of its bucket. A request without has none, and allocates nothing.
func TestExemplars(t *testing.T) {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "h", Buckets: []float64{1, 2}})
	var x Exchange
	if n := testing.AllocsPerRun(100, func() { x.Observe(h, 0.5) }); n != 0 {
		t.Errorf("%v allocations without a trace", n)
	}
	x.Trace = [16]byte{1, 2, 15: 9}
	x.Observe(h, 1.5)
	var m dto.Metric
	if err := h.Write(&m); err != nil {
		t.Fatal(err)
	}
	buckets := m.GetHistogram().GetBucket()
	if buckets[0].GetExemplar() != nil {
		t.Errorf("exemplar %v of requests without a trace", buckets[0].GetExemplar())
	}
	e := buckets[1].GetExemplar()
	l, id := e.GetLabel(), hex.EncodeToString(x.Trace[:])
	if len(l) != 1 || l[0].GetName() != "trace_id" || l[0].GetValue() != id || e.GetValue() != 1.5 {
		t.Errorf("exemplar %v", e)
	}
	// What takes no exemplars gets the value.
	s := prometheus.NewSummary(prometheus.SummaryOpts{Name: "s"})
	x.Observe(s, 1)
	if err := s.Write(&m); err != nil || m.GetSummary().GetSampleCount() != 1 {
		t.Errorf("summary %v, %v", m.GetSummary(), err)
	}
}
