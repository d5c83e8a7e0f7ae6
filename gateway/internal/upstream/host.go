package upstream

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/dns"
)

// Names are resolved anew after the TTL of their records, or freshFor where that is
// not known. While the resolver fails, what was known before serves for staleFor; it
// is then asked once in retryFor, and not waited for longer.
const (
	freshFor = 5 * time.Second
	staleFor = time.Minute
	retryFor = time.Second
)

// host is where a target is: without it, every new connection would ask the
// resolver, and fail when that hiccups.
type host struct {
	name, port string
	lookup     lookup

	mu     sync.Mutex
	found  *dns.Answer
	last   string    // type of the records of the last answer
	asked  time.Time // when found came
	failed time.Time // when the resolver last failed
	next   int       // addresses take turns

	asking chan struct{} // holds one while a look-up is under way
}

// lookup resolves a name; last is the type of its last answer.
type lookup func(ctx context.Context, name, last string) (dns.Answer, error)

// plainly is a lookup of addresses whose TTL is not known.
func plainly(of func(context.Context, string) ([]string, error)) lookup {
	return func(ctx context.Context, name, _ string) (dns.Answer, error) {
		addresses, err := of(ctx, name)
		return dns.Answer{Addresses: addresses}, err
	}
}

// errServices says that a name has no addresses: it leads to services, each with a
// target of its own.
var errServices = errors.New("the name has SRV records")

func newHost(address string, ask lookup) *host {
	name, port := splitAddress(address)
	h := &host{name: name, port: port, lookup: ask, asking: make(chan struct{}, 1)}
	if net.ParseIP(name) != nil {
		h.lookup = func(context.Context, string, string) (dns.Answer, error) {
			return dns.Answer{Addresses: []string{name}}, nil
		}
	}
	return h
}

// dial connects to one of the addresses, the next one first. When none
// answers, the name may have moved: it is resolved anew, once.
func (h *host) dial(ctx context.Context) (net.Conn, error) {
	found, err := h.resolve(ctx, false)
	if err != nil {
		return nil, err
	}
	if found.Services != nil {
		return nil, errServices
	}
	conn, err := h.dialAny(ctx, found.Addresses)
	if err == nil || ctx.Err() != nil {
		return conn, err
	}
	moved, rerr := h.resolve(ctx, true)
	if rerr != nil || !slices.ContainsFunc(moved.Addresses, func(a string) bool { return !slices.Contains(found.Addresses, a) }) {
		return nil, err
	}
	return h.dialAny(ctx, moved.Addresses)
}

func (h *host) dialAny(ctx context.Context, addresses []string) (conn net.Conn, err error) {
	h.mu.Lock()
	h.next++
	first := h.next
	h.mu.Unlock()
	var d net.Dialer
	for i := range addresses {
		// The last has all the time that is left; those before it share it.
		one, cancel := ctx, func() {}
		if deadline, ok := ctx.Deadline(); ok && i+1 < len(addresses) {
			one, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(len(addresses)-i))
		}
		conn, err = d.DialContext(one, "tcp", net.JoinHostPort(addresses[(first+i)%len(addresses)], h.port))
		cancel()
		if err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// resolve answers from memory while that is fresh. anew asks for what the
// resolver says now, or said within the last second.
func (h *host) resolve(ctx context.Context, anew bool) (*dns.Answer, error) {
	known, good := h.known(anew)
	if good {
		return known, nil
	}
	if known != nil && !anew {
		select {
		case h.asking <- struct{}{}:
		default: // who has addresses does not wait for another's look-up
			return known, nil
		}
	} else {
		select {
		case h.asking <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if known, good = h.known(anew); good { // another has asked meanwhile
			<-h.asking
			return known, nil
		}
	}
	defer func() { <-h.asking }()
	if known != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, retryFor)
		defer cancel()
	}
	h.mu.Lock()
	last := h.last
	h.mu.Unlock()
	found, err := h.lookup(ctx, h.name, last)
	if err == nil && len(found.Addresses) == 0 && len(found.Services) == 0 {
		err = &net.DNSError{Err: "no address", Name: h.name, IsNotFound: true}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		found.Addresses = preferIPv4(found.Addresses)
		h.found, h.last = &found, found.Type
		h.asked = time.Now()
		return h.found, nil
	}
	h.failed = time.Now()
	if known != nil {
		return known, nil
	}
	return nil, err
}

// known is what may still be used, nil if nothing; good says that the resolver need
// not be asked.
func (h *host) known(anew bool) (found *dns.Answer, good bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	age := time.Since(h.asked)
	if h.found == nil || age >= h.fresh()+staleFor-freshFor {
		return nil, false
	}
	if anew {
		return h.found, age < retryFor
	}
	return h.found, age < h.fresh() || time.Since(h.failed) < retryFor
}

// fresh is how long an answer holds. The caller holds mu.
func (h *host) fresh() time.Duration {
	if h.found != nil && h.found.TTL > 0 {
		return h.found.TTL
	}
	return freshFor
}

// standing are the addresses that are in use, and whether there are none
// because the resolver had no answer.
func (h *host) standing() (addresses []string, failing bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.found == nil {
		return nil, !h.failed.IsZero()
	}
	if time.Since(h.asked) >= h.fresh()+staleFor-freshFor && h.failed.After(h.asked) {
		return nil, true
	}
	return h.found.Addresses, false
}

// services are where the name leads, nil if it has addresses or is not known yet.
func (h *host) services() []dns.Service {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.found == nil {
		return nil
	}
	return h.found.Services
}

// forget has the name asked for anew: what was known is too old, and the resolver fails.
func (h *host) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.found = nil
}

// isDue tells whether services should be asked for again: no connection does, since
// none is made to the name itself.
func (h *host) isDue() bool {
	if h.services() == nil {
		return false
	}
	_, good := h.known(false)
	return !good
}

// preferIPv4 leaves IPv6 addresses only where there are no others, as Kong
// does: a network without a route there may swallow what is sent.
func preferIPv4(addresses []string) []string {
	var v4 []string
	for _, a := range addresses {
		if addr, err := netip.ParseAddr(a); err == nil && addr.Unmap().Is4() {
			v4 = append(v4, a)
		}
	}
	if v4 != nil {
		return v4
	}
	return addresses
}
