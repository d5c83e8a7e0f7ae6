package resulttest

import (
	"time"

	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

func sampleBaseline(began time.Time) result.Stage {
	return result.Stage{
		Name: "baseline", Changes: []string{"one replica", "one Postgres connection", "database lookups", "no upstream keep-alive"},
		Valid: true, Replicas: 1,
		Load:     result.Load{Model: result.Both, Connections: p(400), OfferedQPS: p(132.0), DurationS: 20, ClosedDurationS: p(15.0), Rounds: 1},
		Requests: p(uint64(5_470)), QPS: p(188.6), QPSOfCeiling: p(0.00457),
		// 900 successes: too few for p99.
		LatencyMS: &result.Latency{Samples: p(uint64(900)), P50: p(31.4), P90: p(52.0), P95: p(61.0), Max: p(204.1), Mean: p(33.2)},
		ErrorRate: p(0.0312), Status: map[string]uint64{"200": 2_557, "503": 83}, Errors: map[string]uint64{"status_5xx": 83},
		CPUPerRequestUS: map[string]float64{"gateway": 410.2, "lb": 61, "postgres": 155.5, "origin": 44, "worker": 96},
		Postgres:        &result.Postgres{MaxConns: p(1), InUseMax: p(1), WaitMSP99: p(998.2)},
		Bottleneck: &measure.Bottleneck{
			Component: "postgres pool",
			Rule:      "all connections in use and requests waiting",
			Evidence:  "1 of 1 in use, wait p99 998 ms, gateway CPU 8%",
		},
		Published: &result.Published{QPS: p(200.0), P50MS: p(450.0), P99MS: p(1200.0), ErrorRate: p(0.032), Availability: p(0.995)},
		Checks:    []measure.Check{{Name: "rate kept", Attack: result.Open, Saw: "99.9%", Limit: "at least 99%", Verdict: measure.OK}},
		Attacks: []result.Attack{
			{
				Model:            result.Closed,
				Round:            1,
				Connections:      p(400),
				BeganAt:          began,
				DurationS:        15,
				Outcomes:         result.Outcomes{Requests: 2_830, Successes: 2_829, Failed: 1},
				QPS:              p(188.6),
				ServiceLatencyMS: &result.Latency{P50: p(2105.0), P99: p(2290.0)},
			},
			{
				Model:       result.Open,
				Round:       1,
				OfferedQPS:  p(132.0),
				BeganAt:     began.Add(17 * time.Second),
				DurationS:   20,
				Outcomes:    result.Outcomes{Requests: 2_640, Successes: 2_557, Failed: 83},
				ErrorRate:   p(0.0312),
				Series:      seconds(20, 128, 4, 0),
				Percentiles: curve(0, 11, 50, 31.4, 90, 52, 95, 61),
			},
		},
	}
}

func sampleCache(began time.Time) result.Stage {
	return result.Stage{
		Name: "cache", Changes: []string{"snapshot lookups", "response cache in Redis"}, Valid: false, Replicas: 1,
		InvalidReasons: []string{"generator saturated (closed): 96% of its cores, want at most 70%"},
		Warnings:       []string{"hit ratio still rose by 3% in the last window"},
		Load: result.Load{
			Model:           result.Both,
			Connections:     p(400),
			OfferedQPS:      p(6_300.0),
			DurationS:       20,
			ClosedDurationS: p(15.0),
			Rounds:          2,
		},
		Requests: p(uint64(261_000)), QPS: p(9_012.5), QPSOfCeiling: p(0.2186), QPSRounds: []result.Spread{{Round: 1, Value: 8_870},
			{Round: 2, Value: 9_155}},
		LatencyMS: &result.Latency{
			Samples: p(uint64(126_000)),
			P50:     p(1.42),
			P90:     p(3.8),
			P95:     p(6.05),
			P99:     p(19.7),
			P999:    p(71.2),
			Max:     p(140.3),
			Mean:    p(2.31),
		},
		ServiceLatencyMS: &result.Latency{
			Samples: p(uint64(126_000)),
			P50:     p(1.38),
			P90:     p(3.7),
			P95:     p(5.9),
			P99:     p(18.9),
			P999:    p(69.0),
			Max:     p(139.9),
			Mean:    p(2.25),
		},
		Percentiles: curve(0, 0.4, 50, 1.42, 90, 3.8, 95, 6.05, 99, 19.7, 99.9, 71.2),
		ErrorRate:   p(0.0), Status: map[string]uint64{"200": 126_000},
		Cache: &result.Cache{
			HitRatio:       p(0.9631),
			Hits:           p(uint64(250_000)),
			Misses:         p(uint64(9_560)),
			Coalesced:      p(uint64(310)),
			OriginRequests: p(uint64(9_250)),
		},
		CPUPerRequestUS: map[string]float64{"gateway": 62.4, "lb": 38, "redis": 9.1, "origin": 3.4, "worker": 51},
		Attacks:         cacheAttacks(began),
	}
}

func cacheAttacks(began time.Time) []result.Attack {
	return []result.Attack{
		{
			Model:       result.Closed,
			Round:       1,
			Connections: p(400),
			BeganAt:     began,
			DurationS:   15,
			Outcomes:    result.Outcomes{Requests: 133_050, Successes: 133_050},
			QPS:         p(8_870.0),
		},
		{
			Model:      result.Open,
			Round:      1,
			OfferedQPS: p(6_300.0),
			BeganAt:    began,
			DurationS:  10,
			Outcomes:   result.Outcomes{Requests: 63_000, Successes: 63_000},
			ErrorRate:  p(0.0),
			LatencyMS:  &result.Latency{P50: p(1.4), P99: p(18.0)},
			Series:     seconds(10, 6_300, 0, 0),
		},
		{
			Model:       result.Closed,
			Round:       2,
			Connections: p(400),
			BeganAt:     began,
			DurationS:   15,
			Outcomes:    result.Outcomes{Requests: 137_325, Successes: 137_325},
			QPS:         p(9_155.0),
		},
		{
			Model:      result.Open,
			Round:      2,
			OfferedQPS: p(6_300.0),
			BeganAt:    began,
			DurationS:  10,
			Outcomes:   result.Outcomes{Requests: 63_000, Successes: 63_000},
			ErrorRate:  p(0.0),
			LatencyMS:  &result.Latency{P50: p(1.44), P99: p(21.1)},
			Series:     seconds(10, 6_300, 0, 0),
		},
	}
}

func sampleMulti(began time.Time) result.Stage {
	return result.Stage{
		Name: "multi", Changes: []string{"three replicas", "least_conn, max_fails=3, fail_timeout=30s",
			"gateway-2 is killed"}, Valid: true, Replicas: 3,
		Load: result.Load{
			Model:           result.Both,
			Connections:     p(400),
			OfferedQPS:      p(8_800.0),
			OpenCapacityQPS: p(11_000.0),
			DurationS:       20,
			ClosedDurationS: p(15.0),
			Rounds:          1,
		},
		Requests: p(uint64(364_700)), QPS: p(12_581.3), QPSOfCeiling: p(0.3051),
		LatencyMS: &result.Latency{
			Samples: p(uint64(173_141)),
			P50:     p(1.21),
			P90:     p(4.4),
			P95:     p(8.2),
			P99:     p(21.3),
			P999:    p(88.4),
			Max:     p(161.0),
			Mean:    p(2.6),
		},
		ClosedLatencyMS: &result.Latency{Samples: p(uint64(188_700)), P50: p(29.4), P99: p(96.1)}, ClosedErrorRate: p(0.0004),
		Percentiles: curve(0, 0.38, 50, 1.21, 90, 4.4, 95, 8.2, 99, 21.3, 99.9, 88.4, 99.99, 140),
		ErrorRate:   p(0.000335), Status: map[string]uint64{"200": 173_141, "429": 2_800, "502": 59}, Errors: map[string]uint64{"status_5xx": 59},
		Cache: &result.Cache{HitRatio: p(0.9712)},
		Limits: &result.Limits{
			Allowed:      p(uint64(173_141)),
			Limited:      p(uint64(2_800)),
			OverAdmitted: p(uint64(0)),
			Origin429:    p(uint64(0)),
		},
		CPUPerRequestUS: map[string]float64{"gateway": 55, "lb": 36.2, "redis": 8.8, "origin": 2.9, "worker": 48.1, "sidecar": 1.5},
		MemoryPeakMiB:   map[string]float64{"gateway-1": 61.2, "gateway-2": 58, "gateway-3": 60.9, "redis": 14.8},
		Utilisation:     map[string]float64{"gateway-1": 0.34, "lb": 0.61},
		Bottleneck:      &measure.Bottleneck{Component: "machine", Rule: "all cores in use", Evidence: "2 of 2 cores busy 99%"},
		Availability:    &result.Availability{Probes: 1000, Failed: 0, Availability: 1, Low: 0.99632, High: 1},
		SLO:             objectives(),
		Published:       &result.Published{QPS: p(12_300.0), P50MS: p(25.0), P99MS: p(180.0), ErrorRate: p(0.002), Availability: p(0.9998)},
		Consumers: map[string]result.Outcomes{
			"steady": {Requests: 170_300, Successes: 170_241, Limited: 0, Failed: 59},
			"flood":  {Requests: 5_700, Successes: 2_900, Limited: 2_800, Failed: 0},
		},
		Mix: map[string]result.Outcomes{"model": {Requests: 160_000, Successes: 159_941, Limited: 0, Failed: 59}},
		Checks: []measure.Check{
			{Name: "rate kept", Attack: result.Open, Saw: "99.98%", Limit: "at least 99%", Verdict: measure.OK},
			{Name: "host", Saw: "steal 1.2%", Limit: "at most 1%", Verdict: measure.Warning},
		},
		Attacks: multiAttacks(began),
	}
}

// objectives has one that is met, one that is missed and one that is not known.
func objectives() *result.SLO {
	return &result.SLO{
		P99MS: p(180.0), ErrorRate: p(0.0001), Met: p(false),
		Objectives: []result.Objective{
			{Objective: "p99<=180ms", Metric: "p99", Op: "<=", Limit: 180, Unit: "ms", Value: p(21.3), Met: p(true)},
			{Objective: "errors<0.01%", Metric: "errors", Op: "<", Limit: 0.0001, Unit: "share", Value: p(0.000335), Met: p(false)},
			{Objective: "p99.9{model}<1s", Metric: "p99.9", Of: "model", Op: "<", Limit: 1000, Unit: "ms", Unknown: "there were too few successes"},
		},
	}
}

func multiAttacks(began time.Time) []result.Attack {
	series := seconds(20, 8_660, 0, 140)
	series[5].Successes, series[5].Failed = 8_601, 59
	for i := range series {
		series[i].Hits = p(uint64(8_400))
		series[i].P50MS = p(1.2)
		series[i].P99MS = p(21.0)
	}
	return []result.Attack{
		{
			Model:       result.Closed,
			Round:       1,
			Connections: p(400),
			BeganAt:     began,
			DurationS:   15,
			Outcomes:    result.Outcomes{Requests: 188_720, Successes: 188_720},
			QPS:         p(12_581.3),
			Nodes:       map[string]uint64{"gateway-1": 62_907, "gateway-2": 62_907, "gateway-3": 62_906},
		},
		{
			Model:      result.Open,
			Round:      1,
			OfferedQPS: p(8_800.0),
			BeganAt:    began,
			DurationS:  20,
			Outcomes:   result.Outcomes{Requests: 176_000, Successes: 173_141, Limited: 2_800, Failed: 59},
			ErrorRate:  p(0.000335),
			LatencyMS:  &result.Latency{P50: p(1.21), P99: p(21.3)},
			Series:     series,
			Marks:      []result.Mark{{OffsetS: 5, Label: "gateway-2 killed"}, {OffsetS: 13.2, Label: "gateway-2 started"}},
		},
	}
}

func seconds(n int, successes, failed, limited uint64) []result.Second {
	out := make([]result.Second, n)
	for i := range out {
		out[i] = result.Second{Offset: i, Requests: successes + failed + limited, Successes: successes, Failed: failed, Limited: limited}
	}
	return out
}

// curve pairs percentiles with milliseconds: curve(50, 31.4, 90, 52).
func curve(pairs ...float64) []result.Percentile {
	var out []result.Percentile
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, result.Percentile{Percentile: pairs[i], MS: pairs[i+1]})
	}
	return out
}
