package fault

import "time"

// KindOriginSlow makes the origin wait before it answers.
const KindOriginSlow = "origin-slow"

func originSlow(s Spec) map[string]any {
	return map[string]any{"delay_ms": ms(orElse(s.Latency, 2*time.Second))}
}
