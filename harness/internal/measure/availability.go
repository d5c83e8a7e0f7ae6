package measure

import "math"

// confidence is two-sided, of every interval here.
const confidence = 0.95

// z is the normal quantile of (1+confidence)/2.
const z = 1.959963984540054

// Availability is good of all probes, with the interval in which the truth lies
// with 95% confidence. All are shares, 0 to 1.
type Availability struct {
	Probes uint64  `json:"probes"`
	Failed uint64  `json:"failed"`
	Share  float64 `json:"availability"`
	Low    float64 `json:"availability_low"`
	High   float64 `json:"availability_high"`
	Method string  `json:"method"` // how the interval was made
}

// Available is the availability seen with failed of all probes. ok is false
// without probes, or with more failures than probes.
//
// The interval is Wilson's, and Clopper-Pearson's exact one where no probe or
// every probe failed: Wilson's is too narrow there.
func Available(failed, all uint64) (a Availability, ok bool) {
	if all == 0 || failed > all {
		return Availability{}, false
	}
	n := float64(all)
	p := float64(all-failed) / n
	a = Availability{Probes: all, Failed: failed, Share: p}
	switch failed {
	case 0:
		a.Low = math.Pow((1-confidence)/2, 1/n)
		a.High = 1
		a.Method = "Clopper-Pearson"
	case all:
		a.Low = 0
		a.High = 1 - math.Pow((1-confidence)/2, 1/n)
		a.Method = "Clopper-Pearson"
	default:
		centre := (p + z*z/(2*n)) / (1 + z*z/n)
		half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
		a.Low = max(centre-half, 0)
		a.High = min(centre+half, 1)
		a.Method = "Wilson"
	}
	return a, true
}
