package scenario

import "time"

// Fault breaks something during the open-loop attack. Times count from the
// beginning of its measured window, after the warm-up. Either Target or Role
// is given.
type Fault struct {
	Kind         string // one of FaultKinds
	Target       string // a node: gateway-1, lb, postgres, redis, origin
	Role         string // gateway, lb or origin: one node of it, as Choose says
	Choose       string // of Role: random (also ""), or each in turn
	At           time.Duration
	RecoverAfter time.Duration // from the injection
	Every        time.Duration // again after this; 0: once
	Times        int           // with Every; 0: as often as the attack has room

	Latency time.Duration // of latency, jitter, slow-close and origin-slow; 0 is the fault's own
	Rate    float64       // KiB/s of bandwidth, changes/s of churn; 0 is the fault's own
	Share   float64       // of requests, of the origin's faults; 0 is all
	CPUs    float64       // that cpu leaves; 0 is the fault's own
}

// Random are faults drawn one after the other from the stage's seed, which
// may overlap. No faults: none.
type Random struct {
	At      time.Duration // of the first
	Gap     time.Duration // the mean of the exponential distribution between two beginnings
	Overlap int           // faults at work at a time, at most; never two on nodes of one role
	Faults  []Fault       // without times of their own, but for RecoverAfter
}

// Writes are made through the Admin API during an experiment. Zero Rate: none.
type Writes struct {
	Rate float64 // a second
}

// Expect is what an experiment must show. Nil asks nothing. That no
// acknowledged write is lost is always expected.
type Expect struct {
	IdempotentFailedMax *int // GETs that failed, of the load and of the probes at the balancers
	IdempotentFailedMin *int // fewer would mean that the harness is blind
	FailedMax           *int // requests of any kind
	FailedMin           *int
	GrowthMax           float64 // of a gateway's goroutines and memory over the load: end / beginning; 0 asks nothing
	Limit               LimitExpect
	Tokens              TokenExpect
}

// LimitExpect asks that a limit on all requests together holds. Zero Permits asks nothing. That no window admits more than Permits, or in
// a fault AboveMax more, is always expected then.
type LimitExpect struct {
	Permits     int           // of each window
	Window      time.Duration // aligned to the Unix epoch by the limits' clock
	AdmittedMin float64       // share of the permits that windows without a fault used, at least
	FaultMin    float64       // likewise of windows with one
	AboveMax    float64       // share of the permits that a window with a fault may admit beyond them
	CommandsMax float64       // commands to Redis per request; 0 asks nothing
	CPUMax      float64       // of the gateways' CPU time per request: Counted / Free; 0 asks nothing
	Free        string        // name of a request without a limit
	Counted     string        // name of the same with a limit that it does not reach
}

// TokenExpect asks that a limit of tokens on all requests together holds, in one window that lasts for the whole load. Zero Limit asks
// nothing. That no more tokens are served than Limit, and that those counted are those served, is always expected then.
type TokenExpect struct {
	Limit       int     // tokens
	Reserved    int     // tokens that a request reserves at most: as many may stay counted of one that failed with its replica
	AdmittedMin float64 // share of Limit that is served, at least
}

// Month is what a fault's cost is scaled to.
type Month struct {
	Faults    float64 // such faults per month
	Objective float64 // of availability, 0 to 1: what remains of 1 is the error budget
}

// What a kind of fault can be done to.
const (
	anyNode   = "a node"
	aLink     = "a link"
	aGateway  = "all gateways" // the role as a whole
	onlyRedis = "redis"
	onlyPg    = "postgres"
	anOrigin  = "an origin"
	aMachine  = "the machine of a replica" // of a gateway or a balancer
)

// faultKinds are all kinds with what they can be done to.
var faultKinds = map[string]string{
	"kill": anyNode, "stop": anyNode, "restart": anyNode, "pause": anyNode, "cut-off": anyNode, "cpu": anyNode, "memory": anyNode,
	"latency": aLink, "jitter": aLink, "bandwidth": aLink, "reset": aLink, "slow-close": aLink, "black-hole": aLink,
	"flush": onlyRedis, "connections": onlyPg, "disk-full": onlyPg,
	"origin-429": anOrigin, "origin-5xx": anOrigin, "origin-slow": anOrigin, "origin-truncate": anOrigin,
	"drain":           aMachine,
	"rolling-restart": aGateway, "rolling-upgrade": aGateway, "churn": aGateway,
}

const (
	chooseRandom = "random"
	chooseEach   = "each"
)
