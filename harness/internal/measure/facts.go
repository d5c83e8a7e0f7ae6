package measure

import "time"

// Kept is the share of what was due in a segment that was sent.
type Kept struct {
	Segment string // empty: there is none
	Share   float64
}

// Worker is what says whether one of several workers did its part of an attack when the others did theirs.
type Worker struct {
	Name      string
	Lost      string        // why there is nothing of it in the figures; empty: it was there to the end
	Late      time.Duration // that it began after the time they had in common, beyond the warm-up
	Uncertain time.Duration // of its clock against ours, plus or minus
	Drift     time.Duration // of its clock against ours, from before the attack to after it
}

// Apart is how far from the time they had in common the worker may have been.
func (w Worker) Apart() time.Duration { return max(w.Late, 0) + w.Uncertain + w.Drift.Abs() }

// Facts are what is known of one attack. A nil or zero fact is unknown, and the
// checks that need it say so rather than pass.
type Facts struct {
	Open bool // open model, else closed
	// OnlyAvailability says that answers are counted and latencies are not
	// compared: a send lag that spoils a percentile is worth a warning then.
	OnlyAvailability bool

	Offered  float64 // open: requests per second that were asked for
	Achieved float64 // requests per second that were sent
	Samples  uint64  // successes, from which percentiles come
	// Peak is the highest rate of an attack whose rate changes over time, per second; 0: it does not.
	Peak float64
	// LeastKept is the segment of its shape of which least was sent.
	LeastKept Kept

	LagP99MS     *float64 // open: of actual minus due send time
	LatencyP99MS *float64 // open: corrected

	PeakWorkers int // open: most requests in flight
	WorkerCap   int
	FDLimit     int // of the worker's process

	WorkerCPU  *float64 // share of its cores that the generator used, 0 to 1; of several workers the busiest one's
	CeilingQPS *float64 // null server's rate in the same lab and run

	Workers []Worker // that made the attack together; fewer than two: there is nothing to agree on

	Connections int     // closed
	InFlight    float64 // closed: throughput x mean latency

	Requests       uint64  // all that were counted
	Failed         uint64  // of Requests
	Refused        uint64  // of Failed, by a limit that the origin is stated to have
	ErrorBudget    float64 // share of Requests that may fail, as the scenario declares
	Broken         bool    // faults were at work: failures are what is measured
	Mismatches     uint64  // answers with wrong content
	Hashed         uint64  // answers whose body was checked
	OriginExpected *uint64 // requests that must have reached the origin
	OriginCounted  *uint64 // requests the origin itself counted

	Trends   []Trend // per-second series that must be flat
	Extended bool    // they were not at first, and the attack was made again

	ConnectionsOpened uint64 // in the measured window
	MayReconnect      bool   // the scenario breaks or forbids connections: reuse is not asked
	PortsExhausted    uint64 // EADDRNOTAVAIL
	TimeWait          *int   // sockets in TIME-WAIT on the worker's side

	Steal    *float64 // share of CPU time that the hypervisor took, 0 to 1
	Pressure *float64 // share of time in which something waited for CPU (PSI some), 0 to 1
	AASpread *float64 // coefficient of variation between like rounds, 0 to 1

	Memory     []NodeMemory // of the nodes
	HostMemory uint64       // bytes, of the machine

	StateReset *bool    // database and Redis were seen to be empty before the first attack
	Warm       string   // why what earlier attacks left is there by design; empty: it is not
	Shortcuts  []string // settings that buy speed with durability
}
