package report

// Manifest is everything that must be known to believe a figure or to get it
// again.
type Manifest struct {
	Commit      string   `json:"commit,omitempty"`
	Dirty       *bool    `json:"dirty,omitempty"`
	Version     string   `json:"version,omitempty"`
	GoVersion   string   `json:"go_version,omitempty"`
	Kernel      string   `json:"kernel,omitempty"`
	OS          string   `json:"os,omitempty"`
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
