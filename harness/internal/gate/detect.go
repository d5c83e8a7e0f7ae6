package gate

import (
	"math"

	"github.com/gatelab/gatelab/harness/internal/stats"
)

// Of Detectable: the normal quantiles of 99.83% (alpha shared among the seventeen
// metrics of three workloads, and two looks) and of 80%; how much wider a
// Hodges-Lehmann median's error is than a mean's; and how much less a pair varies
// whose base is two replicas (variance 3/2 instead of 2).
const (
	zAlpha       = 2.92
	zPower       = 0.84
	medianWide   = 1.0233
	bothReplicas = 0.866
)

// Detectable is the smallest ratio that a gate of so many pairs, with two replicas
// of the base and that noise, finds in one workload four times of five, beyond a margin. Within is
// the largest that it passes as often: below 1 not even equal builds pass.
func Detectable(n stats.Noise, pairs int, margin float64) (found, within float64) {
	se := medianWide * bothReplicas * n.Pairs / math.Sqrt(float64(max(pairs, 1)))
	// A pass is a test of each metric by itself, at 2.9%.
	return math.Exp(math.Log1p(margin) + (zAlpha+zPower)*se), math.Exp(math.Log1p(margin) - (1.89+zPower)*se)
}
