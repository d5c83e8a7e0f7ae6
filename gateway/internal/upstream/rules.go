package upstream

import (
	"math"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// The kinds of failure that are counted apart, as Kong does.
const (
	failTCP = iota
	failTimeout
	failHTTP
	failKinds
)

var failNames = [failKinds]string{"connection", "timeout", "status"}

// rules say what counts for and against a target. A limit of 0 counts nothing.
// They are shared by the targets of a balancer and never change.
type rules struct {
	configured bool             // the upstream has health checks of its own
	threshold  float64          // percent of the weight that must be there; 0: any
	limits     [failKinds]int32 // passive: failures of a kind in a row
	successes  int32            // passive: of trials in a row, until the target is back
	good, bad  statuses         // passive
	active     *activeRules     // nil: no probes
	recovers   bool             // probes bring a target back, so traffic is not risked on it
	ejectFor   time.Duration
}

// activeRules are Kong's active health checks of one upstream.
type activeRules struct {
	spec  activeSpec
	good  statuses
	bad   statuses
	slots chan struct{} // bounds the probes of an upstream that run at a time
}

// activeSpec is what, when it changes, begins the probes anew.
type activeSpec struct {
	kind, path, sni, host string
	verify                bool
	headers               map[string][]string
	timeout               time.Duration
	whenUp, whenDown      time.Duration // between two probes; 0: none in that state
	successes             int
	limits                [failKinds]int
	good, bad             []int
}

// statuses is a set of HTTP statuses.
type statuses [16]uint64

func setOf(list []int) (s statuses) {
	for _, n := range list {
		s.add(n)
	}
	return s
}

func (s *statuses) add(n int) {
	if n >= 0 && n < 1024 {
		s[n/64] |= 1 << (n % 64)
	}
}

func (s *statuses) has(n int) bool { return n >= 0 && n < 1024 && s[n/64]&(1<<(n%64)) != 0 }

// builtIn are the rules where no health checks are configured: a target that
// cannot be reached, or does not answer, several times in a row is ejected
// for a while. Answers never count: an origin's errors are its own affair.
func (p *Pools) builtIn() *rules {
	n := int32(p.config.EjectAfter) //nolint:gosec // bounded by its setting
	return &rules{limits: [failKinds]int32{failTCP: n, failTimeout: n}, ejectFor: p.config.EjectFor}
}

// rulesOf translates an upstream's health checks.
func (p *Pools) rulesOf(u *entity.Upstream) *rules {
	h := &u.Healthchecks
	if !h.On() {
		return p.builtIn()
	}
	passive := &h.Passive
	r := &rules{
		configured: true, threshold: h.Threshold, ejectFor: p.config.EjectFor,
		limits: [failKinds]int32{
			failTCP: count(passive.Unhealthy.TCPFailures), failTimeout: count(passive.Unhealthy.Timeouts),
			failHTTP: count(passive.Unhealthy.HTTPFailures),
		},
		successes: count(passive.Healthy.Successes),
		good:      setOf(passive.Healthy.HTTPStatuses), bad: setOf(passive.Unhealthy.HTTPStatuses),
	}
	a := &h.Active
	spec := activeSpec{
		kind: a.Type, path: a.HTTPPath, sni: a.HTTPSSNI, host: u.HostHeader, verify: a.HTTPSVerifyCertificate, headers: a.Headers,
		timeout: seconds(a.Timeout), whenUp: seconds(a.Healthy.Interval), whenDown: seconds(a.Unhealthy.Interval), successes: a.Healthy.Successes,
		limits: [failKinds]int{failTCP: a.Unhealthy.TCPFailures, failTimeout: a.Unhealthy.Timeouts, failHTTP: a.Unhealthy.HTTPFailures},
		good:   a.Healthy.HTTPStatuses, bad: a.Unhealthy.HTTPStatuses,
	}
	if spec.timeout <= 0 {
		spec.timeout = time.Second
	}
	if spec.whenUp > 0 || spec.whenDown > 0 {
		r.active = &activeRules{spec: spec, good: setOf(spec.good), bad: setOf(spec.bad), slots: make(chan struct{}, max(a.Concurrency, 1))}
		r.recovers = spec.whenDown > 0 && spec.successes > 0
	}
	return r
}

func count(n int) int32 { return int32(min(max(n, 0), math.MaxInt32)) } //nolint:gosec // bounded here

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
