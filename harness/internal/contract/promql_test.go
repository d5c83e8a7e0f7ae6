package contract

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// selector is one metric that an expression names, with its matchers.
type selector struct {
	metric   string
	matchers []*labels.Matcher // without the metric's name
}

// query is what an expression reads: metrics, and the labels that it groups or joins by.
type query struct {
	selectors []selector
	labels    []string // by, without, on, ignoring, group_left, group_right
}

var (
	labelValues = regexp.MustCompile(`^label_values\((.*),\s*(\w+)\)$`)
	// interval is a Grafana variable in the place of a duration, grafanaVariable one within a matcher.
	interval        = regexp.MustCompile(`\$__(rate_interval|interval|range)\b`)
	grafanaVariable = regexp.MustCompile(`\$\{(\w+)(?::\w+)?\}`)
)

// readPromQL reads an expression of a rule or of a panel with Prometheus's own parser.
func readPromQL(expr string) (query, error) {
	var q query
	if m := labelValues.FindStringSubmatch(expr); m != nil {
		q, err := readPromQL(m[1])
		q.labels = append(q.labels, m[2])
		return q, err
	}
	text := grafanaVariable.ReplaceAllString(interval.ReplaceAllString(expr, "5m"), "$$$1")
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		return q, fmt.Errorf("%s: %w", expr, err)
	}
	parser.Inspect(parsed, func(n parser.Node, _ []parser.Node) error {
		switch x := n.(type) {
		case *parser.VectorSelector:
			s := selector{metric: x.Name}
			for _, m := range x.LabelMatchers {
				if m.Name != model.MetricNameLabel {
					s.matchers = append(s.matchers, m)
				}
			}
			q.selectors = append(q.selectors, s)
		case *parser.AggregateExpr:
			q.labels = append(q.labels, x.Grouping...)
		case *parser.BinaryExpr:
			if x.VectorMatching != nil {
				q.labels = append(q.labels, x.VectorMatching.MatchingLabels...)
				q.labels = append(q.labels, x.VectorMatching.Include...)
			}
		}
		return nil
	})
	return q, nil
}

func TestReadPromQL(t *testing.T) {
	q, err := readPromQL(`sum by (job, le) (rate(x_bucket{le="0.5",service=~"$s"}[$__rate_interval] offset 10m))` +
		` / on (job) group_right () (y > 0 or vector(1e3)) and z:a`)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range q.selectors {
		names = append(names, s.metric)
	}
	if !slices.Equal(names, []string{"x_bucket", "y", "z:a"}) {
		t.Errorf("metrics %v", names)
	}
	var matchers []string
	for _, m := range q.selectors[0].matchers {
		matchers = append(matchers, m.String())
	}
	if got := strings.Join(matchers, " "); got != `le="0.5" service=~"$s"` {
		t.Errorf("matchers %s", got)
	}
	if !slices.Equal(slices.Compact(slices.Sorted(slices.Values(q.labels))), []string{"job", "le"}) {
		t.Errorf("labels %v", q.labels)
	}
	q, err = readPromQL(`label_values(m{job=~"${job:regex}"}, route)`)
	if err != nil || q.selectors[0].metric != "m" || !slices.Equal(q.labels, []string{"route"}) {
		t.Errorf("label_values: %+v, %v", q, err)
	}
	if _, err := readPromQL(`sum(rate(x[5m])`); err == nil {
		t.Error("an expression without its end is read")
	}
}
