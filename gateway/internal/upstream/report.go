package upstream

import "time"

// Standing is how a target stands, as Kong's Admin API words it.
type Standing struct {
	Health    string   // HEALTHY, UNHEALTHY, DNS_ERROR or HEALTHCHECKS_OFF
	Addresses []string // that the target's name has
}

// Kong's words for a target's health.
const (
	healthy   = "HEALTHY"
	unhealthy = "UNHEALTHY"
	dnsError  = "DNS_ERROR"
	unchecked = "HEALTHCHECKS_OFF"
)

// Standings are how the targets of an upstream stand in this process, by
// address. Targets that no service uses are not among them.
func (p *Pools) Standings(upstream string) map[string]Standing {
	out, now := map[string]Standing{}, time.Now()
	p.each(func(t *Target) {
		if t.upstream != upstream {
			return
		}
		s := Standing{Health: unchecked}
		if t.rules.Load().configured {
			s.Health = healthy
		}
		if t.state(now) != Closed {
			s.Health = unhealthy
		}
		var failing bool
		if s.Addresses, failing = t.host.standing(); failing {
			s.Health = dnsError
		}
		// The same target may be there with and without TLS: the worse counts.
		if other, ok := out[t.Address]; !ok || other.Health == healthy || other.Health == unchecked {
			out[t.Address] = s
		}
	})
	return out
}

// SetHealth takes a target of an upstream out, or back, by hand. It holds until
// probes find otherwise, or until the process ends.
func (p *Pools) SetHealth(upstream, address string, up bool) {
	p.each(func(t *Target) {
		switch {
		case t.upstream != upstream || t.Address != address:
		case up:
			t.heal()
		default:
			t.eject(byHand)
		}
	})
}
