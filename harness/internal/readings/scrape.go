package readings

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Metrics is one scrape of a gateway's /metrics.
type Metrics map[string]*dto.MetricFamily

// client bounds a scrape.
var client = &http.Client{Timeout: 5 * time.Second}

// Scrape reads http://addr/metrics.
func Scrape(ctx context.Context, addr string) (Metrics, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", http.NoBody)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("scrape: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("scrape %s: status %d", addr, res.StatusCode)
	}
	m, err := parseMetrics(io.LimitReader(res.Body, mostMetrics))
	if err != nil {
		return nil, fmt.Errorf("scrape %s: %w", addr, err)
	}
	return m, nil
}

// mostMetrics bounds what is read of one scrape: ten times what a gateway with
// 10,000 routes in use exports.
const mostMetrics = 256 << 20

func parseMetrics(r io.Reader) (Metrics, error) {
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(r)
	if err != nil {
		return nil, err
	}
	return families, nil
}

// Value sums a family's counters and gauges over all series whose labels match
// the pairs ("state", "in_use"). ok is false when no series does: absent is
// not zero.
func (m Metrics) Value(name string, pairs ...string) (sum float64, ok bool) {
	f, found := m[name]
	if !found {
		return 0, false
	}
	for _, s := range f.Metric {
		if !matches(s, pairs) {
			continue
		}
		ok = true
		switch {
		case s.Counter != nil:
			sum += s.Counter.GetValue()
		case s.Gauge != nil:
			sum += s.Gauge.GetValue()
		case s.Untyped != nil:
			sum += s.Untyped.GetValue()
		}
	}
	return sum, ok
}

// Observations is how many values a histogram has taken, over all series.
func (m Metrics) Observations(name string) (n float64) {
	f, found := m[name]
	if !found {
		return 0
	}
	for _, s := range f.Metric {
		if s.Histogram != nil {
			n += float64(s.Histogram.GetSampleCount())
		}
	}
	return n
}

// Buckets adds a histogram family's cumulative counts into out, by upper
// bound, for matching series.
func (m Metrics) Buckets(name string, out map[float64]float64, pairs ...string) {
	f, found := m[name]
	if !found {
		return
	}
	for _, s := range f.Metric {
		if s.Histogram == nil || !matches(s, pairs) {
			continue
		}
		for _, b := range s.Histogram.Bucket {
			out[b.GetUpperBound()] += float64(b.GetCumulativeCount())
		}
	}
}

func matches(s *dto.Metric, pairs []string) bool {
	for i := 0; i+1 < len(pairs); i += 2 {
		hit := false
		for _, l := range s.Label {
			if l.GetName() == pairs[i] && l.GetValue() == pairs[i+1] {
				hit = true
				break
			}
		}
		if !hit {
			return false
		}
	}
	return true
}
