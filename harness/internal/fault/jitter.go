package fault

import "time"

// KindJitter delays every response on a link by another time.
const KindJitter = "jitter"

// jitter delays from almost nothing to twice the time. Any one probe may be lucky.
func jitter(s Spec) toxic {
	d := orElse(s.Latency, 200*time.Millisecond)
	return toxic{Type: "latency", Attributes: map[string]int{"latency": ms(d), "jitter": ms(d)}, seen: lateBy(d / 4)}
}
