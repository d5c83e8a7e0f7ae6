// Package resulttest has sample results for tests, and checks a result.json with
// the committed JSON Schema.
package resulttest

import (
	"time"

	"github.com/gatelab/gatelab/harness/internal/result"
)

func p[T any](v T) *T { return &v }

// Ladder is a run with everything in it: three stages, one of them not valid, a
// fault, published figures, several rounds, and holes where nothing was measured.
// It is not settled.
func Ladder() *result.Result {
	began := time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)
	return &result.Result{
		RunID: "20261120T093000Z-ladder", Scenario: "ladder", Profile: "full", Runtime: "docker",
		StartedAt: began, FinishedAt: began.Add(5*time.Minute + 12*time.Second),
		Manifest: sampleManifest(),
		Ceiling:  &result.Ceiling{QPS: 41_230.4, Connections: p(400), DurationS: p(3.0)},
		Stages:   []result.Stage{sampleBaseline(began), sampleCache(began.Add(time.Minute)), sampleMulti(began.Add(2 * time.Minute))},
		Faults: []result.Fault{{
			Name: "kill", Target: "gateway-2", Stage: "multi", Round: 1,
			InjectedAt: began.Add(150 * time.Second), EffectObservedAt: p(began.Add(150*time.Second + 84*time.Millisecond)),
			RecoveredAt: p(began.Add(159 * time.Second)), Probes: p(uint64(1000)), Failed: p(uint64(0)),
			Availability: p(1.0), AvailabilityLow: p(0.99632), AvailabilityHigh: p(1.0),
			ImpactMS: p(112.0), TimeToRecoverMS: p(1450.0), ResolutionMS: p(20.0), IdempotentFailed: p(uint64(0)),
		}},
		Histograms: map[string][]byte{"multi-1-open.json": []byte(`{"v":1}`)},
	}
}

func sampleManifest() result.Manifest {
	return result.Manifest{
		Commit: "0123456789ab", Dirty: p(true), GoVersion: "go1.26.8", Kernel: "6.12.0", OS: "debian 12.11", Platform: "linux/amd64",
		CPUModel: "Example 2.0GHz", Cores: 2, MemoryMiB: 7962,
		Cgroup: "v2", Seed: 42, CommandLine: []string{"harness", "run", "scenarios/ladder.yaml"}, Images: map[string]string{"redis": "7.0.15"},
		Durability: map[string]map[string]string{"redis": {"appendonly": "no", "save": ""}},
		Stages: map[string]result.StageManifest{"multi": {
			Nodes: []result.NodeManifest{
				{Name: "gateway-1", Role: "gateway", CPUs: 1, MemoryMiB: 256, Settings: map[string]string{"lookup": "snapshot"}},
				{Name: "lb", Role: "lb"},
			},
			Links: map[string]string{"postgres": "2.5ms each way"},
		}},
		Host: map[string]float64{"steal %": 1.2},
	}
}

// Experiment is the last stage of Ladder as an experiment with two overlapping
// faults, of which one expectation was missed. It is not settled.
func Experiment() *result.Result {
	r := Ladder()
	r.Scenario = "kill-gateway"
	r.Stages = r.Stages[2:]
	r.Experiment = &result.Experiment{
		Passed: false,
		Expectations: []result.Expectation{
			{What: "idempotent requests failed", Want: "at most 0", Saw: "3", Met: false},
			{What: "acknowledged writes lost or half there", Want: "0", Saw: "0", Met: true},
		},
		Entries: []result.Entry{
			{
				Name:            "lb",
				Method:          "GET",
				RatePerS:        50,
				Availability:    result.Availability{Probes: 1000, Failed: 3, Availability: 0.997, Low: 0.9912, High: 0.999},
				OutageMS:        40,
				LongestOutageMS: 40,
				ResolutionMS:    20,
				Failures:        map[string]uint64{"status_502 by lb": 2, "timeout (no answer)": 1},
			},
			{
				Name:         "gateway-2",
				Method:       "GET",
				Information:  true,
				RatePerS:     5,
				Availability: result.Availability{Probes: 100, Availability: 1, Low: 0.964, High: 1},
			},
		},
		Writes: &result.Writes{Sent: 100, Acknowledged: 97, Unknown: 3, Followed: 12, VisibleP50MS: p(81.0), VisibleMaxMS: p(412.0)},
		Cost: &result.FaultCost{
			FaultsPerMonth:      30,
			Objective:           0.9995,
			Faults:              2,
			LostSPerFault:       0.03,
			MonthlyAvailability: 0.99999965,
			BudgetSpent:         0.0007,
		},
		Timeline: []result.Moment{
			{Offset: 0, Nodes: map[string]uint64{"gateway-1": 17, "gateway-2": 17, "gateway-3": 16}},
			{Offset: 1, Nodes: map[string]uint64{"gateway-1": 24, "gateway-3": 23}, Failed: 3},
		},
		Bands: []result.Band{{FromS: 0.5, ToS: 1.6, Label: "kill gateway-2"}, {FromS: 1, ToS: 1.4, Label: "flush redis"}},
	}
	return r
}
