package runner

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/load"
	"gatelab/harness/internal/measure"
	"gatelab/harness/internal/scenario"
	"gatelab/harness/internal/stats"
)

// settled is an attack that was steady. One that was not is made once more,
// right behind the first, which was its warm-up; what is still not flat then is
// flagged by the checks. An attack with faults is not meant to be flat.
func (r *run) settled(ctx context.Context, s *scenario.Stage, a load.Attack, faults []scenario.Fault) (*attacked, error) {
	first, err := r.run(ctx, s, a, faults)
	if err != nil || len(faults) > 0 || steady(first.result) && poolSteady(first.readings) {
		return first, err
	}
	r.Console.Step("%s %s: not steady; measured once more", s.Name, a.Model)
	a.ID += "-again"
	again, err := r.run(ctx, s, a, faults)
	if err != nil {
		return nil, err
	}
	again.extended = true
	return again, nil
}

// steady says whether no trend of a result is known to rise or fall.
func steady(res *load.Result) bool { return !slices.ContainsFunc(trends(res), moving) }

func moving(t measure.Trend) bool {
	_, flat, ok := t.Flat()
	return ok && !flat
}

// poolSteady says whether the gateways' use of Postgres is not known to rise or
// fall.
func poolSteady(readings []reading) bool {
	t, ok := poolTrend(readings)
	return !ok || !moving(t)
}

// busyPool is the share of its connections from which a pool is in use: what a
// gateway without a lookup per request asks now and then is no trend.
const busyPool = 0.1

// poolTrend is how many connections of their pools all gateways had in use, by
// reading. The last reading is left out: it is taken when the load is over. ok is
// false where there is no pool, and where it is idle.
func poolTrend(readings []reading) (t measure.Trend, ok bool) {
	t.Name = "pool in use"
	replicas := 0
	for _, r := range readings {
		replicas = max(replicas, len(r.gateways))
	}
	var used, most float64
	for _, r := range readings[:max(0, len(readings)-1)] {
		if len(r.gateways) < replicas {
			continue // the others' alone would look like a fall
		}
		var inUse, size float64
		for _, m := range r.gateways {
			n, _ := m.value("gateway_postgres_connections", "state", "in_use")
			all, _ := m.value("gateway_postgres_connections", "state", "max")
			inUse, size = inUse+n, size+all
		}
		t.Values = append(t.Values, inUse)
		used, most = used+inUse, most+size
	}
	return t, most > 0 && used >= busyPool*most
}

// spread is the coefficient of variation of like rounds; nil for fewer than
// two.
func (m *measured) spread(model string) *float64 {
	list := m.closed
	if model == load.Open {
		list = m.open
	}
	var qps []float64
	for _, a := range list {
		qps = append(qps, a.result.QPS())
	}
	if cv, ok := stats.Spread(qps); ok {
		return &cv
	}
	return nil
}

// clean looks, before the first attack, whether the stage begins with nothing
// but its own configuration: no key in Redis, and no service that the scenario
// did not ask for.
func (r *run) clean(ctx context.Context, s *scenario.Stage) (bool, error) {
	node, ok := r.lab.Node(lab.RoleRedis)
	if !ok {
		return false, fmt.Errorf("the lab has no %s", lab.RoleRedis)
	}
	keys, err := keysIn(ctx, node.HostAddr(lab.PortRedis))
	if err != nil {
		return false, err
	}
	var page struct {
		Data []struct {
			Name string `json:"name"`
		} `json:"data"`
	}
	if err := getJSON(ctx, "http://"+r.lab.Nodes(lab.RoleGateway)[0].HostAddr(lab.PortAdmin)+"/services?size=1000", &page); err != nil {
		return false, err
	}
	want, err := children(s.Entities, "services")
	if err != nil {
		return false, err
	}
	return keys == 0 && len(page.Data) == len(want), nil
}

// keysIn counts all keys of a Redis, in every database.
func keysIn(ctx context.Context, addr string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, resetWithin)
	defer cancel()
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return 0, fmt.Errorf("count Redis' keys: %w", err)
	}
	rdb := redis.NewClient(&redis.Options{Addr: addr, DialTimeout: 2 * time.Second})
	defer rdb.Close()
	info, err := rdb.Info(ctx, "keyspace").Result()
	if err != nil {
		return 0, fmt.Errorf("count Redis' keys: %w", err)
	}
	var keys int64
	for line := range strings.Lines(info) {
		_, rest, ok := strings.Cut(line, ":keys=")
		if !ok {
			continue
		}
		var n int64
		if _, err := fmt.Sscan(strings.Split(rest, ",")[0], &n); err != nil {
			return 0, fmt.Errorf("count Redis' keys: %q: %w", line, err)
		}
		keys += n
	}
	return keys, nil
}

// durable are the settings that a store has for its data's sake, and the values
// that trade it for speed. What a node does not set is as its program has it:
// Postgres durable, Redis with snapshots.
var durable = map[string]map[string]string{
	lab.RolePostgres: {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"},
	lab.RoleRedis:    {"appendonly": "no", "save": "", "appendfsync": "no"},
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
