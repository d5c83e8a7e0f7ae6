package fault

import "time"

// KindSlowClose delays the end of the connections on a link.
const KindSlowClose = "slow-close"

func slowClose(s Spec) toxic {
	d := orElse(s.Latency, time.Second)
	return toxic{Type: "slow_close", Attributes: map[string]int{"delay": ms(d)}, whole: true, seen: lateBy(d * 9 / 10)}
}
