package result

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/figure"
)

// Manifest is everything that must be known to believe a figure or to get it
// again.
type Manifest struct {
	Commit      string   `json:"commit,omitempty"`
	Dirty       *bool    `json:"dirty,omitempty"`
	Version     string   `json:"version,omitempty"`
	GoVersion   string   `json:"go_version,omitempty"`
	Kernel      string   `json:"kernel,omitempty"`
	OS          string   `json:"os,omitempty"`
	Platform    string   `json:"platform,omitempty"` // as Go has it: linux/amd64
	CPUModel    string   `json:"cpu_model,omitempty"`
	Cores       int      `json:"cores,omitempty"`
	MemoryMiB   float64  `json:"memory_mib,omitempty"`
	Cgroup      string   `json:"cgroup,omitempty"` // v1 or v2
	CommandLine []string `json:"command_line,omitempty"`
	Seed        uint64   `json:"seed"`
	// Runtime is what the lab's runtime says of itself: engine, version, driver.
	Runtime map[string]string `json:"runtime,omitempty"`
	// Images are digests or package versions by program.
	Images map[string]string `json:"images,omitempty"`
	// Durability are the settings that buy speed with data, or do not, by program.
	Durability map[string]map[string]string `json:"durability,omitempty"`
	// Stages are each stage's nodes with their limits and every setting that
	// differs from its default, by stage name.
	Stages map[string]StageManifest `json:"stages,omitempty"`
	// Host is what /proc said over the run: steal and pressure, in percent.
	Host map[string]float64 `json:"host,omitempty"`
}

// StageManifest is what one stage was made of.
type StageManifest struct {
	Nodes []NodeManifest `json:"nodes,omitempty"`
	// Links are delays by far end: "2.5ms each way".
	Links map[string]string `json:"links,omitempty"`
	// Entities are the Admin API's, as they were sent, without credentials.
	Entities map[string]any `json:"entities,omitempty"`
}

// NodeManifest is one node. Zero limits are no limits.
type NodeManifest struct {
	Name      string            `json:"name"`
	Role      string            `json:"role"`
	CPUs      float64           `json:"cpus,omitempty"`
	MemoryMiB float64           `json:"memory_mib,omitempty"`
	Settings  map[string]string `json:"settings,omitempty"`
}

// Fact is a name and its value, in words.
type Fact struct{ Name, Value string }

// Facts lists the manifest, without its stages, in reading order. What is not
// known is left out.
func (m *Manifest) Facts() []Fact {
	var out []Fact
	add := func(name, value string) {
		if value != "" {
			out = append(out, Fact{name, value})
		}
	}
	commit := m.Commit
	if m.Dirty != nil && *m.Dirty {
		commit += " with changes that are not committed"
	}
	add("commit", commit)
	add("version", m.Version)
	add("Go", m.GoVersion)
	add("system", strings.TrimSpace(m.OS+" "+m.Kernel))
	if m.Cores > 0 {
		add("CPU", strings.TrimSpace(fmt.Sprintf("%d x %s", m.Cores, m.CPUModel)))
	}
	if m.MemoryMiB > 0 {
		add("memory", figure.Grouped(m.MemoryMiB)+" MiB")
	}
	add("cgroup", m.Cgroup)
	add("runtime", figure.Map(m.Runtime, figure.Quoted))
	add("images", figure.Map(m.Images, figure.Quoted))
	for _, program := range slices.Sorted(maps.Keys(m.Durability)) {
		add("durability of "+program, figure.Map(m.Durability[program], figure.Quoted))
	}
	add("host", figure.Map(m.Host, figure.Rounded))
	add("seed", strconv.FormatUint(m.Seed, 10))
	add("command", strings.Join(m.CommandLine, " "))
	return out
}

// ShortCommit is the commit in nine digits, marked where the tree was not clean.
func (m *Manifest) ShortCommit() string {
	c := m.Commit[:min(len(m.Commit), 9)]
	if m.Dirty != nil && *m.Dirty {
		c += "+changes"
	}
	return c
}
