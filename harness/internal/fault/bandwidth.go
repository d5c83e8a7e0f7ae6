package fault

import "time"

// KindBandwidth limits the rate of what comes back on a link.
const KindBandwidth = "bandwidth"

// bandwidth limits to KiB per second.
func bandwidth(s Spec) toxic {
	rate := s.Rate
	if rate == 0 {
		rate = 1
	}
	return toxic{
		Type: "bandwidth", Attributes: map[string]int{"rate": max(1, int(rate))},
		bulk: true, whole: true, timeout: 20 * time.Second,
		seen: func(p, normal probe) bool {
			atRate := time.Duration(float64(p.bytes) / 1024 / rate * float64(time.Second))
			return p.bytes > 0 && p.took >= normal.took+atRate/2
		},
	}
}
