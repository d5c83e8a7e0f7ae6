package report

import (
	"time"
)

func p[T any](v T) *T { return &v }

// sample is a run with everything in it: three stages, one of them not valid,
// a fault, published figures, several rounds, and holes where nothing was
// measured.
func sample() *Result {
	began := time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)
	return &Result{
		RunID: "20261120T093000Z-ladder", Scenario: "ladder", Profile: "full", Runtime: "docker",
		StartedAt: began, FinishedAt: began.Add(5*time.Minute + 12*time.Second),
		Manifest: sampleManifest(),
		Ceiling:  &Ceiling{QPS: 41_230.4, Connections: p(400), DurationS: p(3.0)},
		Stages:   []Stage{sampleBaseline(began), sampleCache(began.Add(time.Minute)), sampleMulti(began.Add(2 * time.Minute))},
		Faults: []Fault{{
			Name: "kill", Target: "gateway-2", Stage: "multi", Round: 1,
			InjectedAt: began.Add(150 * time.Second), EffectObservedAt: p(began.Add(150*time.Second + 84*time.Millisecond)),
			RecoveredAt: p(began.Add(159 * time.Second)), Probes: p(uint64(1000)), Failed: p(uint64(0)),
			Availability: p(1.0), AvailabilityLow: p(0.99632), AvailabilityHigh: p(1.0),
			TimeToDetectMS: p(112.0), TimeToRecoverMS: p(1450.0), ResolutionMS: p(20.0), IdempotentFailed: p(uint64(0)),
		}},
		Histograms: map[string][]byte{"multi-1-open.json": []byte(`{"v":1}`)},
	}
}

func sampleBaseline(began time.Time) Stage {
	return Stage{
		Name: "baseline", Changes: []string{"one replica", "one Postgres connection", "database lookups", "no upstream keep-alive"},
		Valid: true, Replicas: 1,
		Load:     Load{Model: Both, Connections: p(400), OfferedQPS: p(132.0), DurationS: 20, ClosedDurationS: p(15.0), Rounds: 1},
		Requests: p(uint64(5_470)), QPS: p(188.6), QPSOfCeiling: p(0.00457),
		// 900 successes: too few for p99.
		LatencyMS: &Latency{Samples: p(uint64(900)), P50: p(31.4), P90: p(52.0), P95: p(61.0), Max: p(204.1), Mean: p(33.2)},
		ErrorRate: p(0.0312), Status: map[string]uint64{"200": 2_557, "503": 83}, Errors: map[string]uint64{"status_5xx": 83},
		CPUPerRequestUS: map[string]float64{"gateway": 410.2, "lb": 61, "postgres": 155.5, "origin": 44, "worker": 96},
		Postgres:        &Postgres{MaxConns: p(1), InUseMax: p(1), WaitMSP99: p(998.2)},
		Bottleneck:      &Bottleneck{Component: "postgres pool", Rule: "all connections in use and requests waiting", Evidence: "1 of 1 in use, wait p99 998 ms, gateway CPU 8%"},
		Published:       &Published{QPS: p(200.0), P50MS: p(450.0), P99MS: p(1200.0), ErrorRate: p(0.032), Availability: p(0.995)},
		Checks:          []Check{{Name: "rate kept", Attack: Open, Saw: "99.9%", Limit: "at least 99%", Verdict: OK}},
		Attacks: []Attack{
			{Model: Closed, Round: 1, Connections: p(400), BeganAt: began, DurationS: 15, Outcomes: Outcomes{Requests: 2_830, Successes: 2_829, Failed: 1}, QPS: p(188.6), ServiceLatencyMS: &Latency{P50: p(2105.0), P99: p(2290.0)}},
			{Model: Open, Round: 1, OfferedQPS: p(132.0), BeganAt: began.Add(17 * time.Second), DurationS: 20, Outcomes: Outcomes{Requests: 2_640, Successes: 2_557, Failed: 83}, ErrorRate: p(0.0312), Series: seconds(20, 128, 4, 0), Percentiles: []Percentile{{0, 11}, {50, 31.4}, {90, 52}, {95, 61}}},
		},
	}
}

func sampleCache(began time.Time) Stage {
	return Stage{
		Name: "cache", Changes: []string{"snapshot lookups", "response cache in Redis"}, Valid: false, Replicas: 1,
		InvalidReasons: []string{"generator saturated (closed): 96% of its cores, want at most 70%"},
		Warnings:       []string{"hit ratio still rose by 3% in the last window"},
		Load:           Load{Model: Both, Connections: p(400), OfferedQPS: p(6_300.0), DurationS: 20, ClosedDurationS: p(15.0), Rounds: 2},
		Requests:       p(uint64(261_000)), QPS: p(9_012.5), QPSOfCeiling: p(0.2186), QPSRounds: []Spread{{1, 8_870}, {2, 9_155}},
		LatencyMS:        &Latency{Samples: p(uint64(126_000)), P50: p(1.42), P90: p(3.8), P95: p(6.05), P99: p(19.7), P999: p(71.2), Max: p(140.3), Mean: p(2.31)},
		ServiceLatencyMS: &Latency{Samples: p(uint64(126_000)), P50: p(1.38), P90: p(3.7), P95: p(5.9), P99: p(18.9), P999: p(69.0), Max: p(139.9), Mean: p(2.25)},
		Percentiles:      []Percentile{{0, 0.4}, {50, 1.42}, {90, 3.8}, {95, 6.05}, {99, 19.7}, {99.9, 71.2}},
		ErrorRate:        p(0.0), Status: map[string]uint64{"200": 126_000},
		Cache:           &Cache{HitRatio: p(0.9631), Hits: p(uint64(250_000)), Misses: p(uint64(9_560)), Coalesced: p(uint64(310)), OriginRequests: p(uint64(9_250))},
		CPUPerRequestUS: map[string]float64{"gateway": 62.4, "lb": 38, "redis": 9.1, "origin": 3.4, "worker": 51},
		Attacks: []Attack{
			{Model: Closed, Round: 1, Connections: p(400), BeganAt: began, DurationS: 15, Outcomes: Outcomes{Requests: 133_050, Successes: 133_050}, QPS: p(8_870.0)},
			{Model: Open, Round: 1, OfferedQPS: p(6_300.0), BeganAt: began, DurationS: 10, Outcomes: Outcomes{Requests: 63_000, Successes: 63_000}, ErrorRate: p(0.0), LatencyMS: &Latency{P50: p(1.4), P99: p(18.0)}, Series: seconds(10, 6_300, 0, 0)},
			{Model: Closed, Round: 2, Connections: p(400), BeganAt: began, DurationS: 15, Outcomes: Outcomes{Requests: 137_325, Successes: 137_325}, QPS: p(9_155.0)},
			{Model: Open, Round: 2, OfferedQPS: p(6_300.0), BeganAt: began, DurationS: 10, Outcomes: Outcomes{Requests: 63_000, Successes: 63_000}, ErrorRate: p(0.0), LatencyMS: &Latency{P50: p(1.44), P99: p(21.1)}, Series: seconds(10, 6_300, 0, 0)},
		},
	}
}

func sampleMulti(began time.Time) Stage {
	series := seconds(20, 8_660, 0, 140)
	series[5].Successes, series[5].Failed = 8_601, 59
	for i := range series {
		series[i].Hits, series[i].P50MS, series[i].P99MS = p(uint64(8_400)), p(1.2), p(21.0)
	}
	return Stage{
		Name: "multi", Changes: []string{"three replicas", "least_conn, max_fails=3, fail_timeout=30s", "gateway-2 is killed"}, Valid: true, Replicas: 3,
		Load:     Load{Model: Both, Connections: p(400), OfferedQPS: p(8_800.0), DurationS: 20, ClosedDurationS: p(15.0), Rounds: 1},
		Requests: p(uint64(364_700)), QPS: p(12_581.3), QPSOfCeiling: p(0.3051),
		LatencyMS:   &Latency{Samples: p(uint64(173_141)), P50: p(1.21), P90: p(4.4), P95: p(8.2), P99: p(21.3), P999: p(88.4), Max: p(161.0), Mean: p(2.6)},
		Percentiles: []Percentile{{0, 0.38}, {50, 1.21}, {90, 4.4}, {95, 8.2}, {99, 21.3}, {99.9, 88.4}, {99.99, 140}},
		ErrorRate:   p(0.000335), Status: map[string]uint64{"200": 173_141, "429": 2_800, "502": 59}, Errors: map[string]uint64{"status_5xx": 59},
		Cache:           &Cache{HitRatio: p(0.9712)},
		Limits:          &Limits{Allowed: p(uint64(173_141)), Limited: p(uint64(2_800)), OverAdmitted: p(uint64(0)), Origin429: p(uint64(0))},
		CPUPerRequestUS: map[string]float64{"gateway": 55, "lb": 36.2, "redis": 8.8, "origin": 2.9, "worker": 48.1, "sidecar": 1.5},
		MemoryPeakMiB:   map[string]float64{"gateway-1": 61.2, "gateway-2": 58, "gateway-3": 60.9, "redis": 14.8},
		Utilisation:     map[string]float64{"gateway-1": 0.34, "lb": 0.61},
		Bottleneck:      &Bottleneck{Component: "machine", Rule: "all cores in use", Evidence: "2 of 2 cores busy 99%"},
		Availability:    &Availability{Probes: 1000, Failed: 0, Availability: 1, Low: 0.99632, High: 1},
		SLO:             &SLO{P99MS: p(180.0), ErrorRate: p(0.002), Met: p(true)},
		Published:       &Published{QPS: p(12_300.0), P50MS: p(25.0), P99MS: p(180.0), ErrorRate: p(0.002), Availability: p(0.9998)},
		Consumers:       map[string]Outcomes{"steady": {170_300, 170_241, 0, 59}, "flood": {5_700, 2_900, 2_800, 0}},
		Mix:             map[string]Outcomes{"model": {160_000, 159_941, 0, 59}},
		Checks:          []Check{{Name: "rate kept", Attack: Open, Saw: "99.98%", Limit: "at least 99%", Verdict: OK}, {Name: "host", Saw: "steal 1.2%", Limit: "at most 1%", Verdict: Warning}},
		Attacks: []Attack{
			{Model: Closed, Round: 1, Connections: p(400), BeganAt: began, DurationS: 15, Outcomes: Outcomes{Requests: 188_720, Successes: 188_720}, QPS: p(12_581.3), Nodes: map[string]uint64{"gateway-1": 62_907, "gateway-2": 62_907, "gateway-3": 62_906}},
			{Model: Open, Round: 1, OfferedQPS: p(8_800.0), BeganAt: began, DurationS: 20, Outcomes: Outcomes{Requests: 176_000, Successes: 173_141, Limited: 2_800, Failed: 59}, ErrorRate: p(0.000335), LatencyMS: &Latency{P50: p(1.21), P99: p(21.3)}, Series: series,
				Marks: []Mark{{5, "gateway-2 killed"}, {13.2, "gateway-2 started"}}},
		},
	}
}

func sampleManifest() Manifest {
	return Manifest{
		Commit: "0123456789ab", Dirty: p(true), GoVersion: "go1.26.8", Kernel: "6.12.0", OS: "linux/amd64", CPUModel: "Example 2.0GHz", Cores: 2, MemoryMiB: 7962,
		Cgroup: "v2", Seed: 42, CommandLine: []string{"harness", "run", "scenarios/ladder.yaml"}, Images: map[string]string{"redis": "7.0.15"},
		Durability: map[string]map[string]string{"redis": {"appendonly": "no", "save": ""}},
		Stages: map[string]StageManifest{"multi": {
			Nodes: []NodeManifest{{Name: "gateway-1", Role: "gateway", CPUs: 1, MemoryMiB: 256, Settings: map[string]string{"lookup": "snapshot"}}, {Name: "lb", Role: "lb"}},
			Links: map[string]string{"postgres": "2.5ms each way"},
		}},
		Host: map[string]float64{"steal %": 1.2},
	}
}

func seconds(n int, successes, failed, limited uint64) []Second {
	out := make([]Second, n)
	for i := range out {
		out[i] = Second{Offset: i, Requests: successes + failed + limited, Successes: successes, Failed: failed, Limited: limited}
	}
	return out
}
