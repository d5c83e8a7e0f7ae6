package fault

import "time"

// KindLatency delays every response on a link.
const KindLatency = "latency"

func latency(s Spec) toxic {
	d := orElse(s.Latency, time.Second)
	return toxic{Type: "latency", Attributes: map[string]int{"latency": ms(d)}, seen: lateBy(d * 9 / 10)}
}
