package sut_test

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/lab/host"
	"github.com/gatelab/gatelab/harness/internal/parity"
	"github.com/gatelab/gatelab/harness/internal/policy"
	"github.com/gatelab/gatelab/harness/internal/sut"
	"github.com/gatelab/gatelab/harness/internal/sut/suttest"
	"github.com/gatelab/gatelab/harness/internal/topology"
	"github.com/gatelab/gatelab/internal/testenv"
)

// servers are the gateways that are tested here, by themselves: those that need no further node.
func servers() []string { return []string{"nginx", "haproxy", "varnish", "apache"} }

// TestServersBehaveAsEveryPolicySays starts each server for each policy that it does not declare as lacking, and asks it the probes.
func TestServersBehaveAsEveryPolicySays(t *testing.T) {
	set := suttest.Policies(t)
	l, addr := hostLab(t)
	systems, err := sut.Find(servers())
	if err != nil {
		t.Fatal(err)
	}
	references := map[string]*parity.Answers{}
	for _, s := range systems {
		for i := range set.Policies {
			p := &set.Policies[i]
			t.Run(s.Name+"/"+p.Name, func(t *testing.T) {
				if why := s.Lacks(p); why != "" {
					t.Logf("not asked: %s", why)
					return
				}
				answers := suttest.Ask(t, l, &sut.Arm{System: s, Policy: p, Layout: l.Layout(), Origin: addr})
				if references[p.Name] == nil {
					references[p.Name] = answers
				}
				for _, d := range parity.Differences(p, references[p.Name], answers) {
					t.Error(d)
				}
			})
		}
	}
}

// TestServersSayWhatTheyLack holds the sentences: what a server cannot do is not asked of it, and nothing else is left out.
func TestServersSayWhatTheyLack(t *testing.T) {
	suttest.Lacking(t, suttest.Policies(t), map[string][]string{
		"haproxy": {"cached", "request-body", "response-body", "everything"},
		"varnish": {
			"jwt", "tls", "tls-handshakes", "http2", "changes", "request-body", "response-body", "access-log",
			"everything",
		},
		"apache": {
			"jwt", "limit-service", "limit-address", "limit-addresses-100", "limit-addresses-50000",
			"request-body", "response-body", "everything",
		},
	})
}

// TestServersCanBeInstalled holds the names by which a lab asks for what is missing to those that the script knows.
func TestServersCanBeInstalled(t *testing.T) {
	script, err := os.ReadFile("../../../deploy/deps.sh")
	if err != nil {
		t.Fatal(err)
	}
	systems, err := sut.Find(servers())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range systems {
		if !strings.Contains(string(script), "if want "+s.Program()+" &&") {
			t.Errorf("deploy/deps.sh does not install %s", s.Program())
		}
	}
}

// TestServersTakeTextsAsTheyAre sets values in which each configuration language finds something special, beside what no policy of the
// file has: a limit on all paths, exact routes, a header that is set in both directions and one that is removed from both.
func TestServersTakeTextsAsTheyAre(t *testing.T) {
	const odd = `50% of "$x" \ {a} 'b' %[src] ${y} # c`
	p := &policy.Policy{
		Name: "odd", Auth: &policy.Auth{Kind: policy.AuthKey, Header: "X-Bench-Key", Key: `k"e$y%1`},
		Routes:   []policy.Route{{Kind: policy.RouteExact, Path: "/anything/exact.1"}},
		Limits:   []policy.Limit{{Requests: 100, Window: time.Minute, By: policy.ByService}},
		Request:  policy.Headers{Set: map[string]string{"X-Bench-In": odd}, Remove: []string{"X-Drop", "X-Real-IP"}},
		Response: policy.Headers{Set: map[string]string{"X-Bench-Out": odd}, Remove: []string{"X-Origin-Body"}},
		Probes: []policy.Probe{
			{Name: "no key", Path: "/anything/exact.1", Status: 401},
			{
				Name: "all", Path: "/anything/exact.1?q=%2F", Status: 200,
				Header: map[string]string{"X-Bench-Key": `k"e$y%1`, "X-Drop": "1", "X-Real-IP": "192.0.2.1"},
				Has:    map[string]string{"X-Bench-Out": odd}, Lacks: []string{"X-Origin-Body"},
				Seen: policy.Sight{Path: "/anything/exact.1?q=%2F", Has: map[string]string{"X-Bench-In": odd}, Lacks: []string{"X-Drop", "X-Real-IP"}},
			},
			{
				Name: "the limit", Path: "/anything/a%2Fb", Header: map[string]string{"X-Bench-Key": `k"e$y%1`}, Count: 120, Status: 200,
				Passes: &policy.Range{Min: 98, Max: 101},
			},
		},
	}
	l, addr := hostLab(t)
	systems, err := sut.Find([]string{"haproxy", "varnish", "apache"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range systems {
		t.Run(s.Name, func(t *testing.T) {
			its := *p
			if s.Lacks(&its) != "" {
				its.Limits, its.Probes = nil, its.Probes[:2]
			}
			suttest.Ask(t, l, &sut.Arm{System: s, Policy: &its, Layout: l.Layout(), Origin: addr})
		})
	}
}

// hostLab is a lab of processes without nodes yet, and the address of an origin.
func hostLab(t *testing.T) (*lab.Lab, string) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs nginx, HAProxy, Varnish and Apache, and -short asks for tests without servers: run make test")
	}
	dir, err := os.MkdirTemp("", "gl")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // nodes run as another user
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("TMPDIR", dir)
	ports := map[string]int{} // of their own: labs of other tests may run on the same addresses
	for _, name := range servers() {
		_, port, err := net.SplitHostPort(testenv.FreeAddr(t))
		if err != nil {
			t.Fatal(err)
		}
		if ports[name+":"+strconv.Itoa(topology.PortProxy)], err = strconv.Atoi(port); err != nil {
			t.Fatal(err)
		}
	}
	return suttest.Lab(t, host.Config{Ports: ports})
}
