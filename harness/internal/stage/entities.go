package stage

import (
	"fmt"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// Entities are the stage's, with the workload's consumers, and with the
// addresses under which the gateways reach what lies behind a link.
func Entities(s *scenario.Stage, l *lab.Lab) map[string]any {
	far := func(role string, port int) string {
		if role == topology.RoleRedis && len(s.Topology.Regions) > 0 {
			far := Topology(s).Far(l.Layout(), role, port)
			return topology.RegionRedisReference + far[strings.LastIndexByte(far, ':'):] // a region's own host, a port for all
		}
		return Topology(s).Far(l.Layout(), role, port)
	}
	out, _ := readdress(far, s.Entities).(map[string]any)
	consumers, _ := out["consumers"].([]any)
	for _, g := range s.Workload.Consumers {
		for i := 1; i <= g.Count; i++ {
			key := ConsumerKey(g.Name, i)
			consumers = append(consumers, map[string]any{
				"username": key, "keyauth_credentials": []any{map[string]any{"key": key}},
			})
		}
	}
	out["consumers"] = merged(consumers)
	if t := s.Topology.Tracing; t.On {
		plugins, _ := out["plugins"].([]any)
		out["plugins"] = append(plugins, TracingPlugin(t.Sample, l.Layout()))
	}
	return out
}

// TracingPlugin is the plugin by which a gateway sends the spans of a share of its requests, 0 to 1, to the lab's collector.
func TracingPlugin(sample float64, l lab.Layout) map[string]any {
	return map[string]any{"name": "opentelemetry", "config": map[string]any{
		"endpoint": topology.TracesURL(l), "sampling_rate": sample,
		"resource_attributes": map[string]any{"service.name": topology.RoleGateway},
	}}
}

// merged joins consumers of one username: a scenario may give one of the
// workload's consumers plugins of its own.
func merged(consumers []any) []any {
	at := map[any]int{}
	var out []any
	for _, c := range consumers {
		m, ok := c.(map[string]any)
		if !ok {
			out = append(out, c)
			continue
		}
		i, had := at[m["username"]]
		if !had {
			at[m["username"]] = len(out)
			out = append(out, m)
			continue
		}
		into, _ := out[i].(map[string]any)
		for k, v := range m {
			if into[k] == nil {
				into[k] = v
			}
		}
	}
	return out
}

// ConsumerKey is the name and key of the i-th consumer of a group, from 1.
func ConsumerKey(group string, i int) string { return fmt.Sprintf("%s-%d", group, i) }

// readdress copies entities, with redis, origin and collector replaced by the
// address at which the gateways reach them.
func readdress(far func(role string, port int) string, v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			out[k] = readdress(far, e)
		}
		if x["host"] == topology.RoleRedis {
			addr := far(topology.RoleRedis, topology.PortRedis)
			host, port := addr[:strings.LastIndexByte(addr, ':')], addr[strings.LastIndexByte(addr, ':')+1:]
			var n int64
			_, _ = fmt.Sscan(port, &n)
			out["host"], out["port"] = host, n
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = readdress(far, e)
		}
		return out
	case string:
		for role, port := range map[string]int{topology.RoleOrigin: topology.PortOrigin, topology.RoleCollector: topology.PortCollector} {
			x = strings.Replace(x, fmt.Sprintf("//%s:%d", role, port), "//"+far(role, port), 1)
		}
		return x
	}
	return v
}
