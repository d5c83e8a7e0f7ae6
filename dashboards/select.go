package dashboards

// The matchers that panels share, and their variables.
const (
	gateways  = `job=~"$job",instance=~"$instance"`
	ofService = gateways + `,service=~"$service"`
	ofRoute   = ofService + `,route=~"$route"`
)

var (
	byJob      = Variable{"job", "job", `label_values(gateway_build_info, job)`}
	byInstance = Variable{"instance", "replica", `label_values(gateway_build_info{job=~"$job"}, instance)`}
	byService  = Variable{"service", "service", `label_values(gateway_requests_total{job=~"$job"}, service)`}
	byRoute    = Variable{"route", "route", `label_values(gateway_requests_total{job=~"$job",service=~"$service"}, route)`}
)

// quantiles returns the queries of a histogram's p50, p90 and p99. by is a label,
// such as "service", by which they are grouped; empty: none.
func quantiles(bucket, matchers, by string) []Query {
	group, legend := "le", ""
	if by != "" {
		group, legend = "le, "+by, " {{"+by+"}}"
	}
	var out []Query
	for _, q := range []struct{ share, name string }{{"0.5", "p50"}, {"0.9", "p90"}, {"0.99", "p99"}} {
		rate := "sum by (" + group + ") (rate(" + bucket + "{" + matchers + "}[$__rate_interval]))"
		out = append(out, Query{"histogram_quantile(" + q.share + ", " + rate + ")", q.name + legend})
	}
	return out
}

// perSecond returns the rate of a counter, summed by labels.
func perSecond(metric, matchers, by string) string {
	return "sum by (" + by + ") (rate(" + metric + "{" + matchers + "}[$__rate_interval]))"
}
