package stats

import "math"

// MoreFailures is Fisher's exact one-sided test: the probability of seeing as
// many failures in the second arm as there were, or more, if both arms failed
// at the same rate. 1 where an arm has no requests, or more failures than
// requests.
func MoreFailures(failedA, allA, failedB, allB uint64) float64 {
	if allA == 0 || allB == 0 || failedA > allA || failedB > allB {
		return 1
	}
	failed := failedA + failedB
	most := min(failed, allB)
	// Terms shrink fast beyond the mode; they are summed in logarithms, relative
	// to the whole.
	whole := logChoose(allA+allB, failed)
	var p float64
	for k := failedB; k <= most; k++ {
		if failed-k > allA {
			continue
		}
		term := math.Exp(logChoose(allB, k) + logChoose(allA, failed-k) - whole)
		p += term
		// Past the mode, what is left is smaller than what was added last.
		if term < p*1e-12 && float64(k) > float64(failed)*float64(allB)/float64(allA+allB) {
			break
		}
	}
	return min(p, 1)
}

// HighestRate is the upper end of the exact (Clopper-Pearson) one-sided
// interval of a failure rate: with the given confidence, the truth is not
// above. 1 without requests.
func HighestRate(failed, all uint64, confidence float64) float64 {
	if all == 0 || failed >= all {
		return 1
	}
	low, high := float64(failed)/float64(all), 1.0
	for range 100 {
		mid := (low + high) / 2
		if atMost(failed, all, mid) > 1-confidence {
			low = mid
		} else {
			high = mid
		}
	}
	return high
}

// LowestRate is the lower end likewise: with the given confidence, the truth is
// not below. 0 without requests.
func LowestRate(failed, all uint64, confidence float64) float64 {
	if all == 0 || failed > all {
		return 0
	}
	return 1 - HighestRate(all-failed, all, confidence)
}

// atMost is the binomial probability of k failures or fewer in n at rate p.
func atMost(k, n uint64, p float64) float64 {
	if p <= 0 {
		return 1
	}
	if p >= 1 {
		return 0
	}
	logP, logQ := math.Log(p), math.Log1p(-p)
	var sum float64
	// From k downwards: p is above k/n here, so the terms shrink.
	for i := k; ; i-- {
		term := math.Exp(logChoose(n, i) + float64(i)*logP + float64(n-i)*logQ)
		sum += term
		if i == 0 || term < sum*1e-14 || (term == 0 && float64(i) < float64(n)*p) {
			return min(sum, 1)
		}
	}
}

// logChoose is the logarithm of n over k.
func logChoose(n, k uint64) float64 {
	a, _ := math.Lgamma(float64(n) + 1)
	b, _ := math.Lgamma(float64(k) + 1)
	c, _ := math.Lgamma(float64(n-k) + 1)
	return a - b - c
}
