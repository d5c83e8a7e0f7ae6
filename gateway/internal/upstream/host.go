package upstream

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Names are resolved anew after freshFor. While the resolver fails, addresses
// that were known before serve for staleFor; it is then asked once in retryFor,
// and not waited for longer.
const (
	freshFor = 5 * time.Second
	staleFor = time.Minute
	retryFor = time.Second
)

// host is where a target is: without it, every new connection would ask the
// resolver, and fail when that hiccups.
type host struct {
	name, port string
	lookup     func(ctx context.Context, host string) ([]string, error)

	mu        sync.Mutex
	addresses []string
	asked     time.Time // when addresses came
	failed    time.Time // when the resolver last failed
	next      int       // addresses take turns

	asking chan struct{} // holds one while a look-up is under way
}

func newHost(address string, lookup func(context.Context, string) ([]string, error)) *host {
	name, port := splitAddress(address)
	if lookup == nil {
		lookup = net.DefaultResolver.LookupHost
	}
	h := &host{name: name, port: port, lookup: lookup, asking: make(chan struct{}, 1)}
	if net.ParseIP(name) != nil {
		h.lookup = func(context.Context, string) ([]string, error) { return []string{name}, nil }
	}
	return h
}

// dial connects to one of the addresses, the next one first. When none
// answers, the name may have moved: it is resolved anew, once.
func (h *host) dial(ctx context.Context) (net.Conn, error) {
	addresses, err := h.resolve(ctx, false)
	if err != nil {
		return nil, err
	}
	conn, err := h.dialAny(ctx, addresses)
	if err == nil || ctx.Err() != nil {
		return conn, err
	}
	moved, rerr := h.resolve(ctx, true)
	if rerr != nil || !slices.ContainsFunc(moved, func(a string) bool { return !slices.Contains(addresses, a) }) {
		return nil, err
	}
	return h.dialAny(ctx, moved)
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
func (h *host) resolve(ctx context.Context, anew bool) ([]string, error) {
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
	found, err := h.lookup(ctx, h.name)
	if err == nil && len(found) == 0 {
		err = &net.DNSError{Err: "no address", Name: h.name, IsNotFound: true}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		h.addresses, h.asked = preferIPv4(found), time.Now()
		return h.addresses, nil
	}
	h.failed = time.Now()
	if known != nil {
		return known, nil
	}
	return nil, err
}

// known are the addresses that may still be used, nil if none; good says that
// the resolver need not be asked.
func (h *host) known(anew bool) (addresses []string, good bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	age := time.Since(h.asked)
	if h.addresses == nil || age >= staleFor {
		return nil, false
	}
	if anew {
		return h.addresses, age < retryFor
	}
	return h.addresses, age < freshFor || time.Since(h.failed) < retryFor
}

// standing are the addresses that are in use, and whether there are none
// because the resolver had no answer.
func (h *host) standing() (addresses []string, failing bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.addresses != nil && time.Since(h.asked) >= staleFor && h.failed.After(h.asked) {
		return nil, true
	}
	return h.addresses, h.addresses == nil && !h.failed.IsZero()
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
