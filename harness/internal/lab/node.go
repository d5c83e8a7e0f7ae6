// Package lab runs nodes on a network of their own: it knows what a node is, in which order nodes start, and when they are ready. How a
// node is made is a Runtime's business: lab/docker makes containers, lab/host processes, lab/kubernetes pods.
package lab

import (
	"context"
	"fmt"
	"time"
)

// Node is one running part of a lab. All methods may be called from several
// goroutines; each is bounded by its context.
type Node interface {
	// Name is the node's name, which is also its host name inside the lab.
	Name() string
	// Role groups nodes of one kind: "gateway" for gateway-1 to gateway-n.
	Role() string
	// Addr is host:port for other nodes of the lab.
	Addr(port int) string
	// HostAddr is host:port for the harness itself, on loopback. It stays the
	// same when the node restarts. It is empty when the port is not published.
	HostAddr(port int) string

	// Stop asks the node to end and kills it after grace.
	Stop(ctx context.Context, grace time.Duration) error
	// Kill ends the node at once (SIGKILL).
	Kill(ctx context.Context) error
	// Start starts a node that was stopped or killed. It returns when the node
	// runs, not when it is ready.
	Start(ctx context.Context) error
	// Pause freezes every process of the node; connections stay open and
	// nothing is answered.
	Pause(ctx context.Context) error
	// Resume undoes Pause.
	Resume(ctx context.Context) error
	// CutOff takes the node off the lab's network.
	CutOff(ctx context.Context) error
	// Reconnect undoes CutOff, with the same name and address.
	Reconnect(ctx context.Context) error

	// Usage is what the node has used since it was started.
	Usage(ctx context.Context) (Usage, error)
	// Logs is the end of what the node wrote, at most 200 lines.
	Logs(ctx context.Context) (string, error)
	// State says how the node is.
	State(ctx context.Context) (State, error)
	// Running says whether the node's process runs; a paused node runs.
	Running(ctx context.Context) (bool, error)
}

// Squeezer is a node whose resources can be taken away while it runs. A runtime
// whose nodes are none cannot carry such a fault.
type Squeezer interface {
	// SqueezeCPU leaves the node that many cores, above 0.
	SqueezeCPU(ctx context.Context, cores float64) error
	// SqueezeMemory leaves the node that many bytes. The kernel kills what wants
	// more; where it cannot take back what is used already the call fails.
	SqueezeMemory(ctx context.Context, bytes int64) error
	// Release gives both back as they were when the node was made.
	Release(ctx context.Context) error
	// OOMKilled says whether the kernel ended the node for want of memory.
	OOMKilled(ctx context.Context) (bool, error)
}

// State is what a runtime knows of a node's process and network.
type State struct {
	Running   bool
	Paused    bool
	Connected bool // on the lab's network
	ExitCode  int  // of the last end; meaningless while Running
}

// Usage is a node's use of the machine since its process started. A field that
// the runtime cannot know is zero.
type Usage struct {
	CPUSeconds       float64 // user and system
	ThrottledSeconds float64 // runnable, but held back by the CPU limit
	MemoryBytes      uint64  // in use now, page cache not counted
	// MemoryPeakBytes is the highest value that the kernel has seen, page cache included; on engines with cgroup v2 that do not tell, the
	// highest that was sampled.
	MemoryPeakBytes uint64
	// Switches is how often the node's threads were taken from a core, because they waited or because others were to run; 0: the runtime
	// does not tell. A thread that has ended takes its count with it.
	Switches uint64
}

// The programs a Spec may name.
const (
	ProgramPostgres = "postgres"
	ProgramRedis    = "redis"
	ProgramNginx    = "nginx"
	ProgramGateway  = "gateway"
	ProgramHarness  = "harness"
	ProgramNode     = "node" // runs JavaScript

	ProgramPrometheus   = "prometheus"
	ProgramAlertmanager = "alertmanager"
	ProgramGrafana      = "grafana"
)

// Tiers is the number of tiers: what the gateways need, the gateways, and what
// looks up the addresses of all others once.
const Tiers = 3

// Spec says what a node is to be. It holds nothing of a runtime.
type Spec struct {
	Name      string
	Role      string
	Program   string   // one of the Program constants, or a server that Source says where to find
	Source    Source   // where Program comes from, if it is none of the constants
	Args      []string // after the program's own name
	StandIn   []string // arguments of our own harness program where Program cannot be had; none: it must be there
	Tier      int      // below Tiers: nodes of a tier start when those of the earlier ones are ready
	Optional  bool     // the lab can do without the node where Program cannot be had (Lacker)
	Env       map[string]string
	Files     map[string][]byte                       // absolute path inside the node -> content, there before the program starts
	Ports     []int                                   // ports that the harness itself must reach
	Inner     []int                                   // further ports that other nodes reach, for runtimes that pass on single ports only
	HostPorts map[int]int                             // port -> fixed port on loopback; others are chosen by the runtime
	CPUWeight int64                                   // against the others where cores are short; 0 is the usual 1024
	CPUs      float64                                 // cores; 0 is no limit
	Cores     []int                                   // the cores it may run on, from 0; none: all
	Memory    int64                                   // bytes; 0 is no limit
	Scratch   []string                                // directories kept in memory: empty at first, lost at a restart
	ScratchMB int                                     // MiB in each of them; 0 is the runtime's own limit
	Settings  map[string]string                       // what a reader of a result should know of its configuration
	Grace     time.Duration                           // how long it may take to end when asked
	Ready     func(ctx context.Context, n Node) error // returns nil once the node answers; nil: running is enough
	ReadyIn   time.Duration                           // how long Ready may take; 0 is 30 s
}

// Source is where a server comes from that the lab does not know by itself.
type Source struct {
	Executable string   // its name on disk; empty: the program's
	Places     []string // glob patterns of its path, where it may lie outside PATH
	Version    []string // arguments that make it tell its version; none: --version
	Packages   []string // of Debian, that bring it
	Image      string   // the official image
	EntryPoint bool     // of Image starts it, as the image's user; Args come after it. Executable is not looked for
}

// fingerprint is equal for specs that make the same node.
func (s Spec) fingerprint() string {
	s.Ready = nil // a function, and the same for every node of a role
	return fmt.Sprintf("%#v", s)
}

// Runtime makes nodes. Start is safe for concurrent use.
type Runtime interface {
	// Prepare fetches or makes what the specs' programs need (images), and
	// removes what dead runs left. Start works without it, only slower.
	Prepare(ctx context.Context, specs []Spec) error
	// Start makes and starts a node; it does not wait for Ready.
	Start(ctx context.Context, s Spec) (Node, error)
	// Remove ends the node and removes every trace of it.
	Remove(ctx context.Context, n Node) error
	// Info is what a report's manifest says of the runtime: engine, versions,
	// images, storage driver.
	Info(ctx context.Context) map[string]string
	// Sweep removes what earlier runs left whose process is dead, and returns
	// the names of what it removed.
	Sweep(ctx context.Context) ([]string, error)
	// Layout says where nodes listen and how others reach them.
	Layout() Layout
	// Attach finds the nodes of a lab that was left running, in order of their
	// names; ErrNotUp if there is none. They can be broken and repaired, and outlive
	// this runtime.
	Attach(ctx context.Context) ([]Node, error)
	// Down removes the labs that were left running, and returns the names of what
	// it removed.
	Down(ctx context.Context) ([]string, error)
	// Close removes all that this runtime made. It may be called twice.
	Close(ctx context.Context) error
}

// Lacker is a runtime that can go on without what is Optional. It is asked
// after Prepare, which has told why.
type Lacker interface {
	// Lacks says whether a program of optional nodes cannot be had.
	Lacks(program string) bool
}

// Progress receives one line a step, for a person. It may be called from
// several goroutines.
type Progress func(line string)
