package scenario

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Injection is a fault at one time on one node; for a fault that concerns all
// nodes of a role Target is the role.
type Injection struct {
	Fault
	Target string
	At     time.Duration
}

// apart is the least time between the end of a random fault and the beginning
// of another one on a node of the same role: the first must be over for the
// balancer too.
const apart = 8 * time.Second

// Schedule is every injection of the stage's open attack in order of time. It
// depends on the stage alone: the same seed gives the same schedule.
func (s *Stage) Schedule() []Injection {
	rng := rand.New(rand.NewPCG(s.Seed, 0x6661756c7473))
	var out []Injection
	for _, f := range s.Faults {
		for i := 0; ; i++ {
			at := f.At + time.Duration(i)*f.Every
			if i > 0 && (f.Every == 0 || f.Times > 0 && i >= f.Times || at+f.RecoverAfter+f.Every/2 > s.Load.Open.Duration) {
				break
			}
			out = append(out, Injection{Fault: f, Target: s.pick(f, i, rng), At: at})
		}
	}
	out = append(out, s.drawn(rng)...)
	slices.SortStableFunc(out, func(a, b Injection) int { return int(a.At - b.At) })
	return out
}

// pick is the node of the i-th time.
func (s *Stage) pick(f Fault, i int, rng *rand.Rand) string {
	if f.Role == "" {
		return f.Target
	}
	if faultKinds[f.Kind] == aGateway {
		return f.Role
	}
	nodes := s.Topology.nodes(f.Role)
	if f.Choose == chooseEach {
		return nodes[i%len(nodes)]
	}
	return nodes[rng.IntN(len(nodes))]
}

// drawn are the random faults.
func (s *Stage) drawn(rng *rand.Rand) []Injection {
	r := s.Random
	if len(r.Faults) == 0 {
		return nil
	}
	var out []Injection
	for at := r.At; ; at += time.Duration(float64(r.Gap) * min(rng.ExpFloat64(), 4)) {
		if at >= s.Load.Open.Duration {
			return out
		}
		f := r.Faults[rng.IntN(len(r.Faults))]
		one := Injection{Fault: f, Target: s.pick(f, 0, rng), At: at}
		if at+f.RecoverAfter+apart > s.Load.Open.Duration || !r.fits(out, one) {
			continue
		}
		out = append(out, one)
	}
}

// fits says whether one more fault leaves enough of the lab whole.
func (r *Random) fits(others []Injection, one Injection) bool {
	atWork := 0
	for _, o := range others {
		if one.At < o.At+o.RecoverAfter {
			atWork++
		}
		if role(o.Target) == role(one.Target) && one.At < o.At+o.RecoverAfter+apart {
			return false
		}
	}
	return atWork < r.Overlap
}

// role is a node's by its name.
func role(node string) string {
	name, _, _ := strings.Cut(node, "-")
	return name
}
