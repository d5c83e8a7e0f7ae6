package assess

import (
	"fmt"
	"maps"
	"slices"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/slo"
	"github.com/gatelab/gatelab/harness/internal/stats"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// judge makes every check on every attack.
func (m *Measurement) judge(s *result.Stage) {
	for _, list := range [][]*Recording{m.Closed, m.Open, m.Direct} {
		for _, a := range list {
			label := a.Result.Attack.Model
			if a.Label != "" {
				label += ", " + a.Label
			}
			if m.Stage.Rounds > 1 {
				label = fmt.Sprintf("%s, round %d", label, a.Round)
			}
			for _, c := range measure.Run(m.Facts(a)) {
				s.Checks = append(s.Checks, Checked(c, label))
			}
		}
	}
}

// generatorChecks say that the generator could not keep up: CPU per request is still true then, latency is not.
var generatorChecks = []string{"rate kept", measure.SendLag, "workers", "generator's CPU", "generator's ceiling"}

// OfGenerator says whether a check is about the generator keeping up.
func OfGenerator(check string) bool { return slices.Contains(generatorChecks, check) }

// GeneratorMissed are the checks by which the generator could not keep up.
func GeneratorMissed(f measure.Facts) (missed []measure.Check) {
	for _, c := range measure.Run(f) {
		if c.Verdict == measure.Invalid && OfGenerator(c.Name) {
			missed = append(missed, c)
		}
	}
	return missed
}

// Checked is a check in the report: of which attack it was made.
func Checked(c measure.Check, attack string) measure.Check {
	c.Attack = attack
	return c
}

// Facts are what the checks need to know about an attack.
func (m *Measurement) Facts(a *Recording) measure.Facts {
	res := a.Result
	window := res.Window().Seconds()
	open := res.Attack.Model == load.Open
	faulty := len(m.Stage.Schedule()) > 0
	f := measure.Facts{
		Open: open, Offered: res.Attack.Rate, Samples: res.Successes,
		PeakWorkers: res.PeakWorkers, WorkerCap: res.WorkerCap, FDLimit: int(res.FDLimit),
		Connections: res.Attack.Connections, InFlight: res.InFlight,
		Requests: res.Requests, Failed: res.Failed, Refused: refusedByLimit(m.Stage, res),
		ErrorBudget: Budget(m.Stage), Broken: faulty && open,
		Mismatches: res.Errors[load.KindMismatch] + res.Errors[load.KindUnhashed], Hashed: res.Hashed,
		ConnectionsOpened: res.ConnectionsOpened, PortsExhausted: res.Errors[load.KindNoPort],
		// On long ways, and with the rate, the number in flight swings, and with it that of connections.
		MayReconnect: faulty || a.Label != "" || shaped(res),
		StateReset:   &m.Empty, Warm: m.Warm, TimeWait: res.TimeWait, AASpread: m.spread(res.Attack.Model),
		Extended: a.Extended, OnlyAvailability: m.Experiment,
	}
	f.Memory, f.HostMemory = m.memoryOf(a), m.Conditions.HostMemory
	f.Shortcuts = shortcuts(m.Conditions.Settings)
	if window > 0 {
		f.Achieved = float64(res.Requests) / window
	}
	if shaped(res) && window > 0 { // what was due by the shape and by chance, and the segment in which least of it was sent
		f.Offered = float64(res.Requests+res.Unsent) / window
		f.Peak = res.Attack.Schedule().Peak()
		f.LeastKept = leastKept(m.Stage, res)
	}
	if share, ok := res.CPUShare(); ok {
		f.WorkerCPU = &share
	}
	f.Workers = Workers(res)
	if m.Conditions.CeilingQPS > 0 {
		f.CeilingQPS = &m.Conditions.CeilingQPS
	}
	if f.Open {
		f.LagP99MS, f.LatencyP99MS = res.Lag.Percentile(0.99), res.Corrected.Percentile(0.99)
	}
	f.OriginExpected, f.OriginCounted = m.Accounts.Both()
	if !f.Broken && len(res.Attack.Shape) == 0 { // a rate that is to change is not flat
		f.Trends = trends(res)
		if pool, ok := poolTrend(a.Readings); ok {
			f.Trends = append(f.Trends, pool)
		}
	}
	if n := len(a.Readings); n > 1 {
		f.Steal = a.Readings[0].Steal(a.Readings[n-1].Machine)
		f.Pressure = a.Readings[0].Waiting(a.Readings[n-1])
	}
	return f
}

// Workers are the workers that made an attack together, as far as it matters whether they did; none: one made it. What one was late in the
// warm-up does no harm.
func Workers(res *load.Result) (out []measure.Worker) {
	for _, w := range res.Workers {
		out = append(out, measure.Worker{
			Name: w.Name, Lost: w.Lost, Late: max(w.Late-res.Attack.Warmup, 0), Uncertain: w.Uncertain, Drift: w.Drift,
		})
	}
	return out
}

// memoryOf is the most memory that each node was seen to use, with its limit where one is enforced.
func (m *Measurement) memoryOf(a *Recording) []measure.NodeMemory {
	used := readings.Spent(a.Readings)
	var out []measure.NodeMemory
	for _, name := range slices.Sorted(maps.Keys(used)) {
		one := measure.NodeMemory{Node: name, Bytes: used[name].MemoryPeakBytes}
		if limit := m.Stage.Topology.Nodes[lab.RoleOf(name)].Memory; m.Conditions.Limited && limit > 0 {
			one.Limit = uint64(limit)
		}
		out = append(out, one)
	}
	return out
}

// unstatedBudget is the share of requests that may fail in a stage whose scenario
// says nothing about it.
const unstatedBudget = 0.01

// Budget is the share of requests that a stage expects to fail.
func Budget(s *scenario.Stage) float64 {
	if limit, ok := s.SLO.Limit(slo.Errors); ok {
		return limit
	}
	return unstatedBudget
}

// refusedByLimit counts the origin's refusals, where it is stated how much it
// takes at a time: stages before the gateway's own limits are meant to show them.
func refusedByLimit(s *scenario.Stage, res *load.Result) uint64 {
	if s.Origin.ChatConcurrency == 0 {
		return 0
	}
	return res.Errors[load.KindOrigin429]
}

// shaped says whether an attack's rate changes over time, by its shape or by chance.
func shaped(res *load.Result) bool {
	return len(res.Attack.Shape) > 0 || res.Attack.Arrivals != load.Even
}

// leastKept is the segment of an attack's shape of which the smallest share was sent; without a shape the share is 1.
func leastKept(s *scenario.Stage, res *load.Result) measure.Kept {
	least := measure.Kept{Share: 1}
	for i, one := range res.Segments {
		due := one.Requests + one.Unsent
		if due == 0 {
			continue
		}
		if share := float64(one.Requests) / float64(due); share < least.Share {
			least = measure.Kept{Segment: segmentName(s, i), Share: share}
		}
	}
	return least
}

// segmentName is the name of the i-th segment of a stage's shape.
func segmentName(s *scenario.Stage, i int) string {
	if i < len(s.Load.Open.Shape) {
		return s.Load.Open.Shape[i].Name
	}
	return fmt.Sprintf("segment-%d", i+1)
}

func trends(res *load.Result) []measure.Trend {
	qps := measure.Trend{Name: "QPS"}
	hits := measure.Trend{Name: "hit ratio"}
	for _, s := range res.Series {
		qps.Values = append(qps.Values, float64(s.Successes))
		if s.Requests > 0 {
			hits.Values = append(hits.Values, float64(s.Hits)/float64(s.Requests))
		}
	}
	out := []measure.Trend{qps}
	if res.CacheStatus["Hit"] > 0 && len(res.EdgeCache) == 0 { // behind an edge these are what it let through
		out = append(out, hits)
	}
	return out
}

// Steady says whether neither an attack's results nor the gateways' use of Postgres are known to rise or fall. An attack with a shape is
// meant to.
func (a *Recording) Steady() bool {
	return len(a.Result.Attack.Shape) > 0 || !slices.ContainsFunc(trends(a.Result), moving) && poolSteady(a.Readings)
}

func moving(t measure.Trend) bool {
	_, flat, ok := t.Flat()
	return ok && !flat
}

// poolSteady says whether the gateways' use of Postgres is not known to rise or
// fall.
func poolSteady(all []readings.Reading) bool {
	t, ok := poolTrend(all)
	return !ok || !moving(t)
}

// busyPool is the share of its connections from which a pool is in use: what a
// gateway without a lookup per request asks now and then is no trend.
const busyPool = 0.1

// poolTrend is how many connections of their pools all gateways had in use, by
// reading. The last reading is left out: it is taken when the load is over. ok is
// false where there is no pool, and where it is idle.
func poolTrend(all []readings.Reading) (t measure.Trend, ok bool) {
	t.Name = "pool in use"
	replicas := 0
	for _, r := range all {
		replicas = max(replicas, len(r.Gateways))
	}
	var used, most float64
	for _, r := range all[:max(0, len(all)-1)] {
		if len(r.Gateways) < replicas {
			continue // the others' alone would look like a fall
		}
		var inUse, size float64
		for _, m := range r.Gateways {
			n, _ := m.Value("gateway_postgres_connections", "state", "in_use")
			all, _ := m.Value("gateway_postgres_connections", "state", "max")
			inUse, size = inUse+n, size+all
		}
		t.Values = append(t.Values, inUse)
		used, most = used+inUse, most+size
	}
	return t, most > 0 && used >= busyPool*most
}

// spread is the coefficient of variation of like rounds; nil for fewer than
// two.
func (m *Measurement) spread(model string) *float64 {
	list := m.Closed
	if model == load.Open {
		list = m.Open
	}
	var qps []float64
	for _, a := range list {
		qps = append(qps, a.Result.QPS())
	}
	if cv, ok := stats.Spread(qps); ok {
		return &cv
	}
	return nil
}

// durable are the settings that a store has for its data's sake, and the values
// that trade it for speed. What a node does not set is as its program has it:
// Postgres durable, Redis with snapshots.
var durable = map[string]map[string]string{
	topology.RolePostgres: {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"},
	topology.RoleRedis:    {"appendonly": "no", "save": "", "appendfsync": "no"},
}

// shortcuts are the settings in use that buy speed with durability.
func shortcuts(settings map[string]map[string]string) []string {
	var out []string
	for _, role := range slices.Sorted(maps.Keys(durable)) {
		for _, name := range slices.Sorted(maps.Keys(durable[role])) {
			if v, set := settings[role][name]; set && v == durable[role][name] {
				out = append(out, fmt.Sprintf("%s %s=%q", role, name, v))
			}
		}
	}
	return out
}
