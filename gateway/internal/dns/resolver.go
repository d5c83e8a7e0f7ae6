// Package dns resolves names of upstream servers in the order of record types that
// Kong's dns_order tells, and says for how long an answer holds.
package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// The record types of an order. Last is the type that has answered last for the name;
// CNAME asks for nothing of its own: answers of the others follow aliases.
const (
	Last  = "LAST"
	A     = "A"
	AAAA  = "AAAA"
	SRV   = "SRV"
	CNAME = "CNAME"
)

// DefaultOrder is Kong's but for SRV, which comes behind addresses: a name that has
// addresses costs no second query. Where a name has both, only its addresses are used.
var DefaultOrder = []string{Last, A, AAAA, SRV, CNAME}

// Config says how names are resolved.
type Config struct {
	Order   []string // nil: DefaultOrder
	Servers []string // host:port each, in the place of those of resolv.conf; nil: those
	// Valid takes the place of every record's TTL; 0: they count.
	Valid time.Duration
}

// Resolver resolves names with Go's own resolver, which reads hosts and resolv.conf.
type Resolver struct{ config Config }

// New makes a resolver.
func New(c Config) *Resolver {
	if c.Order == nil {
		c.Order = DefaultOrder
	}
	return &Resolver{c}
}

// Service is where an SRV record leads.
type Service struct {
	Host   string // without the dot of the root
	Port   uint16 // 0: the port that the caller has configured
	Weight uint16
}

// Answer is what a name resolves to: addresses or services.
type Answer struct {
	Addresses []string
	Services  []Service     // of the best priority, sorted
	Type      string        // of the records
	TTL       time.Duration // 0: not known, as of names in the hosts file
}

// Lookup resolves a name. last is the Type of the name's last answer, "" if there was none.
func (r *Resolver) Lookup(ctx context.Context, name, last string) (Answer, error) {
	return r.lookup(ctx, name, r.types(last))
}

// LookupAddresses resolves a name to addresses alone: where SRV records lead has none.
func (r *Resolver) LookupAddresses(ctx context.Context, name, last string) (Answer, error) {
	types := slices.DeleteFunc(r.types(last), func(t string) bool { return t == SRV })
	if len(types) == 0 {
		types = []string{A, AAAA}
	}
	return r.lookup(ctx, name, types)
}

// types are those to ask for, each once, in order.
func (r *Resolver) types(last string) []string {
	var out []string
	for _, t := range r.config.Order {
		if t == Last {
			t = last
		}
		if t != "" && t != CNAME && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// lookup asks for one type after another, until one has an answer. It goes no further
// when the servers do not answer: they would not answer the next question either.
func (r *Resolver) lookup(ctx context.Context, name string, types []string) (Answer, error) {
	err := error(&net.DNSError{Err: "no such host", Name: name, IsNotFound: true})
	for _, t := range types {
		answer, failed := r.ask(ctx, name, t)
		if failed == nil {
			return answer, nil
		}
		var missing *net.DNSError
		if !errors.As(failed, &missing) || !missing.IsNotFound {
			err = failed
		}
		if missing == nil || missing.IsTimeout || ctx.Err() != nil {
			break
		}
	}
	return Answer{}, fmt.Errorf("resolve: %w", err)
}

// ask asks for one type. The resolver is made anew each time, so that what is heard
// on its connections is about this question alone.
func (r *Resolver) ask(ctx context.Context, name, kind string) (Answer, error) {
	e := &ear{}
	var turn atomic.Uint32
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, server string) (net.Conn, error) {
		if n := uint32(len(r.config.Servers)); n > 0 { //nolint:gosec // a list of settings
			server = r.config.Servers[(turn.Add(1)-1)%n]
		}
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, server)
		if err != nil {
			return nil, err
		}
		return e.listen(conn), nil
	}}
	out := Answer{Type: kind}
	var err error
	if kind == SRV {
		out.Services, err = services(ctx, resolver, name)
	} else {
		out.Addresses, err = addresses(ctx, resolver, name, kind)
	}
	if out.TTL = e.ttl(); out.TTL > 0 && r.config.Valid > 0 {
		out.TTL = r.config.Valid
	}
	return out, err
}

func addresses(ctx context.Context, r *net.Resolver, name, kind string) ([]string, error) {
	network := "ip4"
	if kind == AAAA {
		network = "ip6"
	}
	found, err := r.LookupNetIP(ctx, network, name)
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(found))
	for _, a := range found {
		out = append(out, a.Unmap().String())
	}
	return out, nil
}

// services are the SRV records of the best priority. The others are spares that Kong
// does not use either.
func services(ctx context.Context, r *net.Resolver, name string) ([]Service, error) {
	_, found, err := r.LookupSRV(ctx, "", "", name)
	if len(found) == 0 {
		if err == nil {
			err = &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
		}
		return nil, err
	}
	var out []Service
	for _, s := range found { // sorted by priority
		host := strings.TrimSuffix(s.Target, ".")
		if s.Priority == found[0].Priority && host != "" { // "." says that there is no such service
			out = append(out, Service{host, s.Port, s.Weight})
		}
	}
	if out == nil {
		return nil, &net.DNSError{Err: "the service is not available", Name: name, IsNotFound: true}
	}
	slices.SortFunc(out, func(a, b Service) int {
		if c := strings.Compare(a.Host, b.Host); c != 0 {
			return c
		}
		return int(a.Port) - int(b.Port)
	})
	return out, nil
}

// IsAddress tells whether a name is an address, for which nothing is asked.
func IsAddress(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}
