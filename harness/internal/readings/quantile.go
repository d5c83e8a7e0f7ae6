package readings

import (
	"maps"
	"math"
	"slices"
)

// BucketQuantile is quantile q of a Prometheus histogram's cumulative buckets:
// the upper bound of the bucket that it lies in. ok is false without samples,
// or where it lies above the last bound.
func BucketQuantile(h map[float64]float64, q float64) (float64, bool) {
	bounds := slices.Sorted(maps.Keys(h))
	if len(bounds) == 0 {
		return 0, false
	}
	all := h[bounds[len(bounds)-1]]
	if all == 0 {
		return 0, false
	}
	for _, b := range bounds {
		if h[b] >= q*all {
			return b, !math.IsInf(b, 1)
		}
	}
	return 0, false
}

// BucketMean takes every sample for the middle of its bucket.
func BucketMean(h map[float64]float64) float64 {
	var last, seen, total float64
	for _, b := range slices.Sorted(maps.Keys(h)) {
		n := h[b] - seen
		mid := (last + b) / 2
		if math.IsInf(b, 1) {
			mid = last
		}
		total += n * mid
		seen, last = h[b], b
	}
	if seen == 0 {
		return 0
	}
	return total / seen
}
