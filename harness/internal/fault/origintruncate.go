package fault

// KindOriginTruncate makes the origin end the connection in the middle of the body.
const KindOriginTruncate = "origin-truncate"

func originTruncate(Spec) map[string]any { return map[string]any{"truncate": true} }
