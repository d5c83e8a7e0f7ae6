package upstream

import (
	"slices"
	"time"
)

// Standing is how a target stands, as Kong's Admin API words it.
type Standing struct {
	Health    string   // HEALTHY, UNHEALTHY, DNS_ERROR or HEALTHCHECKS_OFF
	Addresses []string // that the target's name has; host:port where it leads to services
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
	out := map[string]Standing{}
	for _, t := range p.TargetStandings() {
		if t.UpstreamID == upstream {
			out[t.Target] = t.Standing
		}
	}
	return out
}

// TargetStanding is how one target of an upstream stands.
type TargetStanding struct {
	UpstreamID string
	Upstream   string // name
	Target     string // host:port
	Standing
}

// TargetStandings are those of all upstreams, in no order. The same target may
// be there with and without TLS: then the worse counts.
func (p *Pools) TargetStandings() []TargetStanding {
	var out []TargetStanding
	at, now := map[[2]string]int{}, time.Now()
	services := p.services()
	p.each(func(t *Target) {
		if t.upstream == "" || t.parent != nil {
			return // a service's own host, or reported with its name
		}
		s := TargetStanding{UpstreamID: t.upstream, Upstream: t.label, Target: t.Address, Standing: t.standing(now)}
		if of := services[t]; len(of) > 0 {
			s.Standing = together(of, now)
		}
		key := [2]string{t.upstream, t.Address}
		i, ok := at[key]
		switch {
		case !ok:
			at[key] = len(out)
			out = append(out, s)
		case out[i].Health == healthy || out[i].Health == unchecked:
			out[i] = s
		}
	})
	return out
}

// services are the targets to which names lead, by those of the names.
func (p *Pools) services() map[*Target][]*Target {
	out := map[*Target][]*Target{}
	p.each(func(t *Target) {
		if t.parent != nil {
			out[t.parent] = append(out[t.parent], t)
		}
	})
	return out
}

// together is how a name stands: as well as the best service to which it leads, as in Kong.
func together(services []*Target, now time.Time) Standing {
	s := Standing{Health: unhealthy}
	for _, t := range services {
		one := t.standing(now)
		if one.Health == healthy || one.Health == unchecked {
			s.Health = one.Health
		}
		s.Addresses = append(s.Addresses, t.Address)
	}
	slices.Sort(s.Addresses)
	return s
}

func (t *Target) standing(now time.Time) Standing {
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
	return s
}

// SetHealth takes a target of an upstream out, or back, by hand. It holds until
// probes find otherwise, or until the process ends.
func (p *Pools) SetHealth(upstream, address string, up bool) {
	p.each(func(t *Target) {
		switch {
		case t.upstream != upstream || t.Address != address && (t.parent == nil || t.parent.Address != address):
		case up:
			t.heal()
		default:
			t.eject(byHand)
		}
	})
}
