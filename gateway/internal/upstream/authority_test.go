package upstream

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

func TestTheHostHeaderIsTheAddress(t *testing.T) {
	for _, c := range []struct {
		address string
		secure  bool
		want    string
	}{
		{address: "origin:8000", want: "origin:8000"},
		{address: "origin:80", want: "origin"},
		{address: "origin:80", secure: true, want: "origin:80"},
		{address: "origin:443", secure: true, want: "origin"},
		{address: "origin:443", want: "origin:443"},
		{address: "10.0.0.1:80", want: "10.0.0.1"},
		{address: "[::1]:8000", want: "[::1]:8000"},
		{address: "[::1]:80", want: "[::1]"},
		{address: "[::1]:443", secure: true, want: "[::1]"},
		{address: "[::1]", want: "[::1]"},
		{address: "::1", want: "[::1]"},
		{address: "origin", want: "origin"},
	} {
		if got := Authority(c.address, c.secure); got != c.want {
			t.Errorf("Authority(%q, %v) is %q, want %q", c.address, c.secure, got, c.want)
		}
	}
}

// virtualHosts is a TLS origin that notes the names that it is asked for, and
// answers with the Host header.
type virtualHosts struct {
	*httptest.Server
	mu    sync.Mutex
	names []string // of handshakes
}

func startVirtualHosts(t *testing.T) *virtualHosts {
	v := &virtualHosts{}
	v.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s for %s", r.TLS.ServerName, r.Host)
	}))
	v.TLS = &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.names = append(v.names, h.ServerName)
		return nil, nil
	}}
	v.StartTLS()
	t.Cleanup(v.Close)
	return v
}

func (v *virtualHosts) handshakes() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.names)
}

func TestTheServerNameIsTheHost(t *testing.T) {
	v := startVirtualHosts(t)
	_, port, _ := strings.Cut(strings.TrimPrefix(v.URL, "https://"), ":")
	number, _ := strconv.Atoi(port)
	for _, c := range []struct {
		name       string
		host       string // of the service, where there is no upstream
		targets    []string
		hostHeader string
		client     string // Host of the client, preserved
		want       string
	}{
		{name: "a service's own host", host: "localhost", want: "localhost for localhost:PORT"},
		{name: "a service's own address", host: "127.0.0.1", want: " for 127.0.0.1:PORT"},
		{name: "a target's name", host: "up", targets: []string{"localhost:PORT"}, want: "localhost for localhost:PORT"},
		{name: "a target's address", host: "up", targets: []string{"127.0.0.1:PORT"}, want: " for 127.0.0.1:PORT"},
		{name: "host_header", host: "up", targets: []string{"localhost:PORT"}, hostHeader: "virtual.test",
			want: "virtual.test for virtual.test"},
		{name: "host_header with a port", host: "up", targets: []string{"localhost:PORT"}, hostHeader: "virtual.test:7",
			want: "virtual.test for virtual.test:7"},
		{name: "preserve_host", host: "localhost", client: "www.client.test", want: "www.client.test for www.client.test"},
		{name: "preserve_host and a target", host: "up", targets: []string{"localhost:PORT"}, hostHeader: "virtual.test",
			client: "www.client.test:7", want: "www.client.test for www.client.test:7"},
		{name: "preserve_host of IPv6", host: "localhost", client: "[::1]:7", want: " for [::1]:7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPools(t, Config{})
			from := &Source{}
			service := &entity.Service{Protocol: "https", Host: c.host, Port: number}
			if c.targets != nil {
				from.Upstreams = map[string]*entity.Upstream{"up": {ID: "u", Name: "up", HostHeader: c.hostHeader}}
				for _, target := range c.targets {
					from.Targets = map[string][]entity.Target{"u": {{Target: strings.ReplaceAll(target, "PORT", port), Weight: 1}}}
				}
			}
			b, err := p.Balancer(service, from)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // also on a kept connection
				call := newCall(b)
				switch { // as the proxy does
				case c.client != "":
					call.Request.Header.SetHost(c.client)
					call.KeepHost = true
				case b.HostHeader != "":
					call.Request.Header.SetHost(b.HostHeader)
					call.KeepHost = true
				}
				if err := p.Do(call); err != nil {
					t.Fatal(err)
				}
				if got, want := string(call.Response.Body()), strings.ReplaceAll(c.want, "PORT", port); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			if n := p.Idle(); n != 1 {
				t.Errorf("%d connections are kept, want 1", n)
			}
		})
	}
}

func TestAConnectionServesOneServerName(t *testing.T) {
	v := startVirtualHosts(t)
	p := newPools(t, Config{})
	b := serviceAt(t, p, v.URL)
	for i := range 30 {
		host := fmt.Sprintf("host-%d.test", i%3)
		call := newCall(b)
		call.KeepHost = true
		call.Request.Header.SetHost(host)
		if err := p.Do(call); err != nil {
			t.Fatal(err)
		}
		if got := string(call.Response.Body()); got != host+" for "+host {
			t.Fatalf("got %q", got)
		}
	}
	if n := v.handshakes(); n != 3 || p.Idle() != 3 {
		t.Errorf("%d handshakes for 3 names, %d connections are kept", n, p.Idle())
	}
	for i := range 20 { // more names than connections are kept (8)
		call := newCall(b)
		call.KeepHost = true
		call.Request.Header.SetHost(fmt.Sprintf("other-%d.test", i))
		if err := p.Do(call); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.Idle(); n != 8 {
		t.Errorf("%d connections are kept, want 8", n)
	}
	call := newCall(b)
	call.KeepHost = true
	call.Request.Header.SetHost("other-19.test")
	before := v.handshakes()
	if err := p.Do(call); err != nil || v.handshakes() != before {
		t.Errorf("the last name's connection was not kept: %v", err)
	}
}

func TestEveryAttemptNamesItsOwnTarget(t *testing.T) {
	var mu sync.Mutex
	hosts := map[string]string{} // Host by address
	start := func(status int) string {
		url, _ := listen(t, func(c net.Conn) {
			r, err := http.ReadRequest(bufio.NewReader(c))
			if err != nil {
				return
			}
			mu.Lock()
			hosts[c.LocalAddr().String()] = r.Host
			mu.Unlock()
			fmt.Fprintf(c, "HTTP/1.1 %d Answer\r\nContent-Length: 0\r\n\r\n", status)
		})
		return strings.TrimPrefix(url, "http://")
	}
	bad, good := start(503), start(200)
	p := newPools(t, Config{RetryStatuses: []int{503}, RetryMin: 100})
	b := over(t, p, entity.Upstream{}, bad, good)
	for range 4 {
		if status, err := ask(p, b, "GET", 1); status != 200 {
			t.Fatalf("%d %v", status, err)
		}
	}
	for _, address := range []string{bad, good} {
		if hosts[address] != address {
			t.Errorf("%s was asked for %q", address, hosts[address])
		}
	}
}

func TestIPv6TargetsWorkWithAndWithoutBrackets(t *testing.T) {
	ln, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host) })}
	go func() { _ = server.Serve(ln) }()
	defer server.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	want := ln.Addr().String()
	for _, host := range []string{"::1", "[::1]"} {
		p := newPools(t, Config{})
		b, err := p.Balancer(&entity.Service{Protocol: "http", Host: host, Port: port}, &Source{})
		if err != nil {
			t.Fatal(err)
		}
		call := newCall(b)
		if err := p.Do(call); err != nil || string(call.Response.Body()) != want {
			t.Errorf("%s: %q %v, want %q", host, call.Response.Body(), err, want)
		}
	}
	p := newPools(t, Config{})
	b := over(t, p, entity.Upstream{}, want)
	call := newCall(b)
	if err := p.Do(call); err != nil || string(call.Response.Body()) != want {
		t.Errorf("as a target: %q %v, want %q", call.Response.Body(), err, want)
	}
}

func TestProbesNameTheirTarget(t *testing.T) {
	for _, c := range []struct{ kind, header, target, want string }{
		{kind: "http", target: "origin:80", want: "origin"},
		{kind: "http", target: "origin:8000", want: "origin:8000"},
		{kind: "https", target: "origin:443", want: "origin"},
		{kind: "https", target: "[::1]:8443", want: "[::1]:8443"},
		{kind: "http", header: "virtual.test", target: "origin:80", want: "virtual.test"},
	} {
		n := &prober{target: &Target{called: c.target}, rules: &activeRules{spec: activeSpec{kind: c.kind, host: c.header}}}
		if got := n.hostHeader(); got != c.want {
			t.Errorf("%s %s %s: %q, want %q", c.kind, c.header, c.target, got, c.want)
		}
	}
}

func TestATargetThatWasSlowOnceIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fast, slow := &Target{Address: "fast"}, &Target{Address: "slow"}
		for _, target := range []*Target{fast, slow} {
			target.rules.Store(&rules{})
		}
		r := &ring{members: []member{{target: fast, weight: 1}, {target: slow, weight: 1}}}
		b := &Balancer{}
		fast.latency.observe(10*time.Millisecond, time.Now())
		slow.latency.observe(2*time.Second, time.Now())
		chosen := map[string]int{}
		for range 600 { // a minute of ten requests per second
			now := time.Now()
			target := b.fastest(r, now.UnixNano(), 0, nil)
			chosen[target.Address]++
			target.latency.observe(10*time.Millisecond, now) // it is fast again
			time.Sleep(100 * time.Millisecond)
		}
		if n := chosen["slow"]; n == 0 {
			t.Error("it was not tried again within a minute")
		}
		chosen = map[string]int{}
		for range 600 {
			target := b.fastest(r, time.Now().UnixNano(), 0, nil)
			chosen[target.Address]++
			target.latency.observe(10*time.Millisecond, time.Now())
			time.Sleep(100 * time.Millisecond)
		}
		if n := chosen["slow"]; n < 100 || n > 500 {
			t.Errorf("it gets %d of 600 requests, though it is as fast as the other", n)
		}
	})
}
