package fault

// KindOrigin429 makes the origin answer 429.
const KindOrigin429 = "origin-429"

func origin429(Spec) map[string]any { return map[string]any{"status": 429} }
