package plugin

// Behind is work of a plugin that asks the upstream after a request has been
// answered. Its methods run in one goroutine of their own, with an exchange that is a
// copy of the request's.
type Behind interface {
	// Wants tells whether the upstream is to be asked at all.
	Wants(x *Exchange) bool
	// HeaderFilterPhase sees the upstream's answer, or the gateway's where there is
	// none. What it leaves as body is read to the end, and thrown away.
	HeaderFilterPhase
	// LogPhase runs at the end, in any case.
	LogPhase
}
