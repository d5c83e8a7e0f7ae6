package upstream

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// ErrNoTarget says that an upstream has no target to send to.
var ErrNoTarget = errors.New("failure to get a peer from the ring-balancer")

// Balancer picks a target for each request of a service.
type Balancer struct {
	service    string   // id
	configured []member // names that lead to services are one of them
	ring       atomic.Pointer[ring]
	pick       func(b *Balancer, r *ring, now int64, hash uint64, tried map[*Target]bool) *Target
	next       atomic.Uint64
	srvName    bool // Host is the name in the SRV record
	rules      *rules
	budget     *budget
	measures   bool    // the time until the headers counts
	Hashing    Hashing // what a request's hash is of
	HostHeader string  // replaces the Host header when not empty
}

// Hashing says what consistent hashing goes by: Kong's fields of an upstream.
type Hashing struct {
	On, Fallback Key
	CookiePath   string // of the cookie that is made where a client has none
}

// Key is one source of a hash: none, consumer, ip, path, header, cookie,
// query_arg or uri_capture; the last four by Name.
type Key struct{ Kind, Name string }

type member struct {
	target *Target
	weight int
	hash   uint64 // of the address: the same in every replica
}

// Source is what balancers are made of beside their services.
type Source struct {
	Upstreams      map[string]*entity.Upstream // by name
	Targets        map[string][]entity.Target  // by upstream's id
	Certificates   map[string]*entity.Certificate
	CACertificates map[string]string // PEM by id
}

// Balancer makes the balancer of a service: over the targets of the upstream
// that has the service's host for a name, else to the host itself.
func (p *Pools) Balancer(s *entity.Service, from *Source) (*Balancer, error) {
	b := &Balancer{service: s.ID, pick: (*Balancer).roundRobin, budget: p.budget(s.ID)}
	u := from.Upstreams[s.Host]
	secure, err := p.secure(s, u, from)
	if err != nil {
		return nil, err
	}
	http2 := s.Protocol == "grpc" || s.Protocol == "grpcs"
	if u == nil {
		b.rules = p.builtIn()
		b.configured = []member{{target: p.target(nil, joinAddress(s.Host, s.Port), secure, http2, b.rules), weight: 1}}
		b.expand(p)
		return b, nil
	}
	b.rules = p.rulesOf(u)
	for _, t := range from.Targets[u.ID] {
		if t.Weight > 0 {
			m := member{p.target(u, t.Target, secure, http2, b.rules), t.Weight, xxhash.Sum64String(t.Target)}
			b.configured = append(b.configured, m)
		}
	}
	b.HostHeader, b.srvName = u.HostHeader, u.UseSRVName
	b.expand(p)
	switch u.Algorithm {
	case "round-robin", "":
	case "least-connections":
		b.pick = (*Balancer).leastConnections
	case "latency":
		b.pick, b.measures = (*Balancer).fastest, true
	case "consistent-hashing":
		b.pick, b.Hashing = (*Balancer).hashed, hashingOf(u)
	default:
		return nil, fmt.Errorf("upstream %s: unknown algorithm %q", u.Name, u.Algorithm)
	}
	return b, nil
}

func hashingOf(u *entity.Upstream) Hashing {
	key := func(kind, header, arg, capture string) Key {
		switch kind {
		case "header":
			return Key{kind, header}
		case "cookie":
			return Key{kind, u.HashOnCookie}
		case "query_arg":
			return Key{kind, arg}
		case "uri_capture":
			return Key{kind, capture}
		}
		return Key{Kind: kind}
	}
	return Hashing{
		On:         key(u.HashOn, u.HashOnHeader, u.HashOnQueryArg, u.HashOnURICapture),
		Fallback:   key(u.HashFallback, u.HashFallbackHeader, u.HashFallbackQueryArg, u.HashFallbackURICapture),
		CookiePath: u.HashOnCookiePath,
	}
}

// choose returns a target that was not tried yet, or nil.
//
// With health checks configured, an unhealthy target gets nothing, and when no
// target is healthy (or less of their weight than the threshold) there is
// none, as in Kong. Without, the ejection of a target is only a guess: when
// all have been ejected, requests go to them as if none were.
func (b *Balancer) choose(now time.Time, hash uint64, tried map[*Target]bool) (*Target, attempt) {
	r := b.ring.Load()
	if len(r.members) == 1 && !b.rules.configured {
		t := r.members[0].target
		switch {
		case tried[t]:
			return nil, 0
		case t.until.Load() == 0:
			return t, asUsual
		}
		return t, asLast
	}
	stamp := now.UnixNano()
	if b.rules.threshold > 0 && !b.enough(r, stamp) {
		return nil, 0
	}
	for range len(r.members) + 1 { // another may claim a half-open target first
		t := b.pick(b, r, stamp, hash, tried)
		if t == nil {
			break
		}
		if how, ok := t.claim(stamp); ok {
			return t, how
		}
	}
	if b.rules.configured {
		return nil, 0
	}
	for i := range r.members {
		if t := r.members[(b.next.Add(1)+uint64(i))%uint64(len(r.members))].target; !tried[t] {
			return t, asLast
		}
	}
	return nil, 0
}

// enough tells whether as much of the targets' weight is there as the
// threshold wants.
func (b *Balancer) enough(r *ring, now int64) bool {
	there := 0
	for i := range r.members {
		if r.members[i].target.available(now) {
			there += r.members[i].weight
		}
	}
	return float64(there)*100 >= b.rules.threshold*float64(r.weight)
}

// Size is the number of targets.
func (b *Balancer) Size() int { return len(b.ring.Load().members) }

func (b *Balancer) roundRobin(r *ring, now int64, _ uint64, tried map[*Target]bool) *Target {
	for range r.turns {
		i := r.turns[b.next.Add(1)%uint64(len(r.turns))]
		if t := r.members[i].target; t.available(now) && !tried[t] {
			return t
		}
	}
	return nil
}

func (b *Balancer) leastConnections(r *ring, now int64, _ uint64, tried map[*Target]bool) *Target {
	return b.least(r, now, tried, func(t *Target) float64 { return float64(t.inflight.Load() + 1) })
}

// fastest goes by the average latency, times the requests that are there
// already: a target that gets slow has requests before its average shows it.
// One that was not measured yet is taken for as fast as the fastest.
func (b *Balancer) fastest(r *ring, now int64, _ uint64, tried map[*Target]bool) *Target {
	lowest := 0.0
	for i := range r.members {
		if l := r.members[i].target.latency.value(now); l > 0 && (lowest == 0 || l < lowest) {
			lowest = l
		}
	}
	if lowest == 0 {
		lowest = 1
	}
	return b.least(r, now, tried, func(t *Target) float64 {
		l := t.latency.value(now)
		if l == 0 {
			l = lowest
		}
		return l * float64(t.inflight.Load()+1)
	})
}

// least is the target with the least load for its weight. Of equals one after
// the other has its turn: many gateways that start at once must not all choose
// the first.
func (b *Balancer) least(r *ring, now int64, tried map[*Target]bool, load func(*Target) float64) *Target {
	var best *Target
	var least float64
	first := int(b.next.Add(1) % uint64(max(len(r.members), 1))) //nolint:gosec // less than a slice's length
	for i := range r.members {
		m := &r.members[(first+i)%len(r.members)]
		if !m.target.available(now) || tried[m.target] {
			continue
		}
		l := load(m.target) / float64(m.weight)
		if best == nil || l < least {
			best, least = m.target, l
		}
	}
	return best
}

// hashed is weighted rendezvous hashing: when a target goes, only its requests
// move, and every replica of the gateway chooses alike.
func (b *Balancer) hashed(r *ring, now int64, hash uint64, tried map[*Target]bool) *Target {
	var best *Target
	var most float64
	for i := range r.members {
		m := &r.members[i]
		if !m.target.available(now) || tried[m.target] {
			continue
		}
		// A uniform number in (0, 1) drawn by hash and target; see "Weighted
		// distributed hash tables", Schindelhauer and Schomaker.
		u := (float64(mix(m.hash^hash)>>11) + 0.5) / (1 << 53)
		score := float64(m.weight) / -math.Log(u)
		if best == nil || score > most {
			best, most = m.target, score
		}
	}
	return best
}

// mix is the finalizer of splitmix64.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
