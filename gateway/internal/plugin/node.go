package plugin

// Node is what plugins can tell about the process. A nil function means that
// it is unknown.
type Node struct {
	ID, Version string
	// Connections are those of clients.
	Connections func() Connections
	// Reachable tells whether the database answers. It is asked at each scrape.
	Reachable func() bool
	// Targets are how the targets of upstreams stand.
	Targets func() []TargetHealth
}

// Connections are the proxy's clients, in nginx's words.
type Connections struct {
	Accepted, Handled uint64 // since the start
	Requests          uint64 // since the start
	Active            int    // open
	Writing           int    // with a request that is being worked on
}

// TargetHealth is one target of an upstream.
type TargetHealth struct {
	Upstream, Target string
	Addresses        []string // of the target's name; none where it cannot be resolved
	State            string   // Kong's: healthchecks_off, healthy, unhealthy or dns_error
}
