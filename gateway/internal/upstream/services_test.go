package upstream

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/dns"
	"github.com/gatelab/gatelab/gateway/internal/dns/dnstest"
	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// counted is a server that counts its requests, and the Hosts that they had.
type counted struct {
	port  uint16
	mu    sync.Mutex
	n     int
	hosts map[string]int
	*httptest.Server
}

func startCounted(t *testing.T) *counted {
	t.Helper()
	c := &counted{hosts: map[string]int{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.n++
		c.hosts[r.Host]++
	}))
	t.Cleanup(c.Close)
	c.port = uint16(c.Listener.Addr().(*net.TCPAddr).Port) //nolint:gosec // a port
	return c
}

// taken are the requests since the last call.
func (c *counted) taken() (n int, hosts string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, hosts = c.n, strings.TrimPrefix(fmt.Sprint(c.hosts), "map")
	c.n, c.hosts = 0, map[string]int{}
	return n, hosts
}

// TestServices sends to where SRV records lead, by their ports and weights, and
// follows them when they change; for a target of an upstream and for a service's host.
func TestServices(t *testing.T) {
	for _, tt := range []struct {
		name     string
		upstream *entity.Upstream
		host     func(port uint16) string // that is sent to the server at a port
	}{
		{name: "host of a service", host: func(port uint16) string { return fmt.Sprintf("_web._tcp.test:%d", port) }},
		{
			name: "target", upstream: &entity.Upstream{ID: "u", Name: "pool"},
			host: func(port uint16) string { return fmt.Sprintf("_web._tcp.test:%d", port) },
		},
		{
			name: "target by the record's name", upstream: &entity.Upstream{ID: "u", Name: "pool", UseSRVName: true},
			host: func(port uint16) string { return fmt.Sprintf("one.test:%d", port) },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := dnstest.Start(t)
			a, b := startCounted(t), startCounted(t)
			s.Set("one.test", dnstest.Record{Address: "127.0.0.1", TTL: 60})
			s.Set("_web._tcp.test",
				dnstest.Record{Host: "one.test", Port: a.port, Weight: 10, TTL: 1}, dnstest.Record{Host: "one.test", Port: b.port, Weight: 30, TTL: 1},
				dnstest.Record{Host: "one.test", Port: 1, Weight: 30, Priority: 1, TTL: 1})
			p := NewPools(Config{Keepalive: 4, Resolver: dns.New(dns.Config{Servers: []string{s.Address}})}, nil)
			t.Cleanup(p.Close)
			balancer := servicesBalancer(t, p, tt.upstream)
			send := func(n int) {
				t.Helper()
				for range n {
					if err := p.Do(newCall(balancer)); err != nil {
						t.Fatal(err)
					}
				}
			}
			send(40)
			na, hosts := a.taken()
			nb, _ := b.taken()
			if na != 10 || nb != 30 || hosts != fmt.Sprintf("[%s:10]", tt.host(a.port)) {
				t.Errorf("%d and %d requests, for %s; want 10 and 30 for %s", na, nb, hosts, tt.host(a.port))
			}
			s.Set("_web._tcp.test", dnstest.Record{Host: "one.test", Port: b.port, TTL: 1})
			eventually(t, "the record that went is not used any more", func() bool { return balancer.Size() == 1 })
			if n := p.Idle(); n > 1 {
				t.Errorf("%d connections are kept, one of them to what is gone", n)
			}
			send(5)
			if na, _ = a.taken(); na != 0 {
				t.Errorf("%d requests to what is gone", na)
			}
			s.Set("_web._tcp.test", dnstest.Record{Address: "127.0.0.1", TTL: 1})
			eventually(t, "the name has an address now", func() bool { return balancer.ring.Load().members[0].target.parent == nil })
		})
	}
}

// servicesBalancer is one of a service whose host, or whose upstream's target, is a
// name with SRV records.
func servicesBalancer(t *testing.T, p *Pools, u *entity.Upstream) *Balancer {
	t.Helper()
	from := &Source{Upstreams: map[string]*entity.Upstream{}, Targets: map[string][]entity.Target{}}
	service := &entity.Service{ID: "s", Protocol: "http", Host: "_web._tcp.test", Port: 80}
	if u != nil {
		service.Host = u.Name
		from.Upstreams[u.Name] = u
		from.Targets[u.ID] = []entity.Target{{Target: "_web._tcp.test:80", Weight: 100}}
	}
	b, err := p.Balancer(service, from)
	if err != nil {
		t.Fatal(err)
	}
	p.Keep([]*Balancer{b})
	return b
}

// TestOneOfTheServicesIsDown: it is ejected by itself, and the report says so.
func TestOneOfTheServicesIsDown(t *testing.T) {
	s := dnstest.Start(t)
	a, gone := startCounted(t), startCounted(t)
	gone.Close()
	s.Set("one.test", dnstest.Record{Address: "127.0.0.1", TTL: 60})
	s.Set("_web._tcp.test", dnstest.Record{Host: "one.test", Port: a.port, TTL: 60},
		dnstest.Record{Host: "one.test", Port: gone.port, TTL: 60})
	p := NewPools(Config{EjectAfter: 1, EjectFor: time.Hour, Resolver: dns.New(dns.Config{Servers: []string{s.Address}})}, nil)
	t.Cleanup(p.Close)
	b := servicesBalancer(t, p, &entity.Upstream{ID: "u", Name: "pool"})
	for range 20 {
		c := newCall(b)
		c.Retries = 1
		if err := p.Do(c); err != nil {
			t.Fatal(err)
		}
	}
	if n, _ := a.taken(); n != 20 {
		t.Errorf("%d of 20 requests were answered", n)
	}
	ejected := 0
	for _, m := range b.ring.Load().members {
		if m.target.until.Load() != 0 {
			ejected++
		}
	}
	if ejected != 1 {
		t.Errorf("%d targets are ejected, want 1", ejected)
	}
	standing := p.Standings("u")["_web._tcp.test:80"]
	if standing.Health != unchecked || len(standing.Addresses) != 2 {
		t.Errorf("the name stands as %+v", standing)
	}
	p.SetHealth("u", "_web._tcp.test:80", false)
	if got := p.Standings("u")["_web._tcp.test:80"].Health; got != unhealthy {
		t.Errorf("taken out by hand, it is %s", got)
	}
}

// TestServicesOfABrokenResolver serve on for a while, and by a first look-up that
// fails no target is blamed.
func TestServicesOfABrokenResolver(t *testing.T) {
	s := dnstest.Start(t)
	a := startCounted(t)
	s.Set("one.test", dnstest.Record{Address: "127.0.0.1", TTL: 1})
	s.Set("_web._tcp.test", dnstest.Record{Host: "one.test", Port: a.port, TTL: 1})
	p := NewPools(Config{Resolver: dns.New(dns.Config{Servers: []string{s.Address}})}, nil)
	t.Cleanup(p.Close)
	b := servicesBalancer(t, p, nil)
	if err := p.Do(newCall(b)); err != nil {
		t.Fatal(err)
	}
	s.Fail(true)
	asked := s.Asked("SRV _web._tcp.test")
	eventually(t, "the name is asked for again", func() bool { return s.Asked("SRV _web._tcp.test") > asked })
	for range 5 {
		if err := p.Do(newCall(b)); err != nil {
			t.Error(err)
		}
	}
	parent := b.configured[0].target
	parent.host.mu.Lock()
	parent.host.asked = time.Now().Add(-time.Hour)
	parent.host.failed = time.Time{}
	parent.host.mu.Unlock()
	eventually(t, "what is too old is not used", func() bool { return b.ring.Load().members[0].target == parent })
	if err := p.Do(newCall(b)); err == nil {
		t.Error("a request was answered")
	}
	s.Fail(false)
	eventually(t, "the resolver is back", func() bool { return p.Do(newCall(b)) == nil })
}

// TestServicesAreProbed, each by itself and by the configured name, without a request
// that would have found out that the name leads to them.
func TestServicesAreProbed(t *testing.T) {
	s := dnstest.Start(t)
	probe := func(status int) (*httptest.Server, uint16) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.Host, "_web._tcp.test:") {
				t.Errorf("a probe is for %s", r.Host)
			}
			w.WriteHeader(status)
		}))
		t.Cleanup(server.Close)
		return server, uint16(server.Listener.Addr().(*net.TCPAddr).Port) //nolint:gosec // a port
	}
	good, goodPort := probe(http.StatusOK)
	_, sickPort := probe(http.StatusServiceUnavailable)
	s.Set("one.test", dnstest.Record{Address: "127.0.0.1", TTL: 60})
	s.Set("_web._tcp.test", dnstest.Record{Host: "one.test", Port: goodPort, TTL: 60},
		dnstest.Record{Host: "one.test", Port: sickPort, TTL: 60})
	p := NewPools(Config{Resolver: dns.New(dns.Config{Servers: []string{s.Address}})}, nil)
	t.Cleanup(p.Close)
	u := &entity.Upstream{ID: "u", Name: "pool"}
	u.Healthchecks.Active = entity.ActiveCheck{
		Type: "http", HTTPPath: "/", Timeout: 10, Concurrency: 2,
		Healthy:   entity.HealthySigns{Interval: 0.01, HTTPStatuses: []int{200}, Successes: 1},
		Unhealthy: entity.UnhealthySigns{Interval: 0.01, HTTPStatuses: []int{503}, HTTPFailures: 1, TCPFailures: 1},
	}
	b := servicesBalancer(t, p, u)
	down := func() (n int) {
		for _, m := range b.ring.Load().members {
			if m.target.until.Load() != 0 {
				n++
			}
		}
		return n
	}
	eventually(t, "the sick one is out", func() bool { return b.Size() == 2 && down() == 1 })
	for range 10 {
		if err := p.Do(newCall(b)); err != nil {
			t.Error(err)
		}
	}
	if got := p.Standings("u")["_web._tcp.test:80"].Health; got != healthy {
		t.Errorf("the name is %s while one of two is well", got)
	}
	good.Close()
	eventually(t, "the other is out as well", func() bool { return down() == 2 })
	if got := p.Standings("u")["_web._tcp.test:80"].Health; got != unhealthy {
		t.Errorf("the name is %s while none is well", got)
	}
}
