package runner

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/report"
	"gatelab/harness/internal/scenario"
)

// manifestHost says where and how the run took place.
func (r *run) manifestHost() {
	m := &r.result.Manifest
	here := machine()
	hash, dirty := commit(".")
	m.Commit, m.Version, m.CommandLine, m.Seed = hash, r.Version, r.Command, r.stages[0].Seed
	if hash != "" {
		m.Dirty = &dirty
	}
	m.GoVersion, m.Kernel, m.OS, m.CPUModel, m.Cgroup = here["go"], here["kernel"], here["os"], here["cpu"], here["cgroup"]
	m.Cores = hostCores()
	m.MemoryMiB, _ = strconv.ParseFloat(strings.TrimSuffix(here["memory"], " MiB"), 64)
	m.Host = map[string]float64{}
	host := r.cpu.until(readCPU())
	if host.steal != nil {
		m.Host["steal_percent"], m.Host["busy_percent"] = *host.steal*100, *host.busy*100
	}
}

// manifestRuntime says what carries the lab. Images are told apart from the
// rest by their key.
func (r *run) manifestRuntime(ctx context.Context) {
	m := &r.result.Manifest
	m.Runtime, m.Images = map[string]string{}, map[string]string{}
	for k, v := range r.lab.Info(ctx) {
		if program, ok := strings.CutPrefix(k, "image_"); ok {
			m.Images[program] = v
			continue
		}
		m.Runtime[k] = v
	}
	m.Durability = map[string]map[string]string{}
	settings := r.lab.Settings()
	for _, role := range []string{lab.RolePostgres, lab.RoleRedis} {
		m.Durability[role] = settings[role]
	}
	if pg := m.Durability[lab.RolePostgres]; pg != nil {
		pg = maps.Clone(pg)
		for _, k := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
			if pg[k] == "" {
				pg[k] = "on"
			}
		}
		m.Durability[lab.RolePostgres] = pg
	}
}

// limits are what a node may use, as far as the runtime sees to it.
func (r *run) limits(s *scenario.Stage, role string) scenario.Node {
	n := s.Topology.Nodes[role]
	if r.result.Runtime == RuntimeHost {
		n.CPUs, n.Memory = 0, 0
	}
	return n
}

// manifestStage says what one stage was made of, without credentials.
func (r *run) manifestStage(m *measured) {
	all := &r.result.Manifest
	if all.Stages == nil {
		all.Stages = map[string]report.StageManifest{}
	}
	out := report.StageManifest{Links: edgeLinks(m.stage.Edge)}
	settings := r.lab.Settings()
	for _, n := range r.lab.Nodes("") {
		limits := r.limits(m.stage, n.Role())
		out.Nodes = append(out.Nodes, report.NodeManifest{
			Name: n.Name(), Role: n.Role(), CPUs: limits.CPUs, MemoryMiB: float64(limits.Memory) / (1 << 20), Settings: settings[n.Name()],
		})
	}
	for far, l := range m.stage.Topology.Links {
		out.Links[far] = l.Latency.String() + " each way"
	}
	out.Entities = maps.Clone(m.stage.Entities)
	if consumers, ok := out.Entities["consumers"].([]any); ok {
		public := slices.Clone(consumers)
		for i, c := range public {
			if one, isMap := c.(map[string]any); isMap {
				one = maps.Clone(one)
				delete(one, "keyauth_credentials")
				public[i] = one
			}
		}
		out.Entities["consumers"] = public
	}
	all.Stages[m.stage.Name] = out
}
