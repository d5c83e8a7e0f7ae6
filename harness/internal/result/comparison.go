package result

import "github.com/gatelab/gatelab/harness/internal/stats"

// Comparison is a paired comparison of builds.
type Comparison struct {
	Arms    []string           `json:"arms"`
	Metrics []ComparisonMetric `json:"metrics"`
	Verdict stats.Verdict      `json:"verdict" jsonschema:"enum=pass,enum=fail,enum=inconclusive"`
	Reason  string             `json:"reason,omitempty"`
	Rounds  *int               `json:"rounds,omitempty"` // pairs that the verdict rests on
	Notes   []string           `json:"notes,omitempty"`
}

// ComparisonMetric is one metric's ratio of the second arm to the first, with
// one-sided 95% bounds. Of error_rate it is the difference of the rates. Ratio
// is 0 where there is none: Low and High are absent then.
type ComparisonMetric struct {
	Name    string        `json:"name"`
	Ratio   float64       `json:"ratio"`
	Low     *float64      `json:"low,omitempty"`
	High    *float64      `json:"high,omitempty"`
	Margin  *float64      `json:"margin,omitempty"`
	Verdict stats.Verdict `json:"verdict,omitempty" jsonschema:"enum=pass,enum=fail,enum=inconclusive"`
	// Advisory metrics are no part of the verdict.
	Advisory bool `json:"advisory,omitempty"`
}
