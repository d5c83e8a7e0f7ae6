package fault

// KindOrigin5xx makes the origin answer 503.
const KindOrigin5xx = "origin-5xx"

func origin5xx(Spec) map[string]any { return map[string]any{"status": 503} }
