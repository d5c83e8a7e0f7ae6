package assess

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// Recording is an attack that is over, with what the nodes did meanwhile and what ran beside it.
type Recording struct {
	Result   *load.Result
	Readings []readings.Reading // from the beginning of the measured window to its end
	Counted  load.Counts        // requests between the first and the last reading
	Round    int
	Label    string        // beside the model, if a round has several attacks of one model
	Probes   *load.Result  // beside the load
	Events   []fault.Event // of faults injected meanwhile
	Extended bool          // it was not steady at first, and was repeated
	Pulse    readings.Pulse
	Spoilt   []string // why it was repeated, once for each attempt before this one
}

// Window is the time between the first and the last reading, in seconds.
func (a *Recording) Window() float64 {
	if len(a.Readings) < 2 {
		return 0
	}
	return a.Readings[len(a.Readings)-1].At.Sub(a.Readings[0].At).Seconds()
}

// LostAWorker says whether a worker of several was lost: the attack is not valid then, and is not made again.
func (a *Recording) LostAWorker() bool {
	return slices.ContainsFunc(a.Result.Workers, func(w load.WorkerPart) bool { return w.Lost != "" })
}

// Pool is how the gateways used Postgres during the attack.
func (a *Recording) Pool() readings.Pool { return readings.PoolOf(a.Readings) }

// marks are a fault's steps on an attack's time axis.
func marks(began time.Time, e fault.Event) []result.Mark {
	var out []result.Mark
	for _, m := range []struct {
		at    time.Time
		label string
	}{{e.InjectedAt, e.Target + " " + e.Kind}, {e.RecoveredAt, e.Target + " is back"}} {
		if !m.at.IsZero() {
			out = append(out, result.Mark{OffsetS: m.at.Sub(began).Seconds(), Label: m.label})
		}
	}
	return out
}

// attackOf is one attack in the report; its histograms are added to the others.
func attackOf(m *Measurement, s *result.Stage, a *Recording, histograms map[string][]byte) result.Attack {
	res := a.Result
	out := result.Attack{
		Model: res.Attack.Model, Round: a.Round, BeganAt: res.Began, WarmupS: res.Attack.Warmup.Seconds(), DurationS: res.Window().Seconds(),
		Outcomes: result.Outcomes(res.Counts), QPS: new(res.QPS()), ErrorRate: new(res.ErrorRate()),
		ServiceLatencyMS: Latency(res.Service), ErrorLatencyMS: Latency(res.ErrorLatency),
		Status: Statuses(res.Status), Errors: res.Errors, CacheStatus: res.CacheStatus, Nodes: res.Nodes,
	}
	if res.Attack.Model == load.Open {
		out.OfferedQPS = new(res.Attack.MeanRate())
		out.LatencyMS, out.LagMS = Latency(res.Corrected), Latency(res.Lag)
		out.Percentiles = Curve(res.Corrected)
	} else {
		out.Connections = new(res.Attack.Connections)
	}
	out.Segments, out.Arrivals = segmentsOf(m, res), res.Attack.Arrivals
	target := targetOf(res)
	for _, sec := range res.Series {
		one := result.Second{
			Offset: sec.Offset, Requests: sec.Requests, Successes: sec.Successes,
			Limited: sec.Limited, Failed: sec.Failed, Hits: new(sec.Hits), TargetQPS: target(sec.Offset),
		}
		if sec.P50 > 0 {
			one.P50MS, one.P99MS = new(InMS(sec.P50)), new(InMS(sec.P99))
		}
		out.Series = append(out.Series, one)
	}
	out.Workers = workersOf(res)
	out.Repeated, out.Spoiled = a.Spoilt, a.Spoiled()
	for _, e := range a.Events {
		out.Marks = append(out.Marks, marks(res.Began, e)...)
	}
	for kind, h := range map[string]measure.Histogram{"corrected": res.Corrected, "service": res.Service, "errors": res.ErrorLatency} {
		if h.Count() == 0 {
			continue
		}
		if b, err := json.Marshal(h); err == nil {
			histograms[fmt.Sprintf("%s-%s-%d%s-%s.json", s.Name, res.Attack.Model, a.Round, dashed(a.Label), kind)] = b
		}
	}
	return out
}

// workersOf are the workers of an attack in the report; none: one made it.
func workersOf(res *load.Result) (out []result.Worker) {
	window := res.Window().Seconds()
	for _, w := range res.Workers {
		one := result.Worker{
			Name: w.Name, Outcomes: result.Outcomes(w.Counts), ClockAheadMS: InMS(w.Ahead), ClockUncertainMS: InMS(w.Uncertain),
			ClockDriftMS: InMS(w.Drift), LateMS: InMS(w.Late), Lost: w.Lost,
		}
		if w.Cores > 0 && window > 0 {
			one.CPU = new(w.CPUSeconds / window / w.Cores)
		}
		out = append(out, one)
	}
	return out
}

// dashed makes a label part of a file's name: " over the edge" is "-over-the-edge", nothing is nothing.
func dashed(label string) string {
	if label == "" {
		return ""
	}
	return "-" + strings.ReplaceAll(label, " ", "-")
}
