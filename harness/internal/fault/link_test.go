package fault_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/link"
	"github.com/gatelab/gatelab/harness/internal/topology"
	"github.com/gatelab/gatelab/internal/testenv"
)

// linkNode is a link node in this process.
type linkNode struct {
	*node
	ports map[int]string
}

func (n *linkNode) Name() string                             { return topology.RoleLink }
func (n *linkNode) Role() string                             { return topology.RoleLink }
func (n *linkNode) Addr(port int) string                     { return n.ports[port] }
func (n *linkNode) HostAddr(port int) string                 { return n.ports[port] }
func (n *linkNode) Usage(context.Context) (lab.Usage, error) { return lab.Usage{}, nil }
func (n *linkNode) Logs(context.Context) (string, error)     { return "", nil }
func (n *linkNode) Running(context.Context) (bool, error)    { return true, nil }

// nodes is a lab of given nodes.
type nodes []lab.Node

func (l nodes) Node(name string) (lab.Node, bool) {
	for _, n := range l {
		if n.Name() == name {
			return n, true
		}
	}
	return nil, false
}
func (l nodes) Nodes(string) []lab.Node               { return l }
func (l nodes) Ready(context.Context, string) error   { return nil }
func (l nodes) Settled(context.Context, string) error { return nil }
func (l nodes) Renew(context.Context, string) error   { return nil }

// startLink runs a link to an HTTP server that stands for the origin.
func startLink(t *testing.T) nodes {
	t.Helper()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, strings.Repeat("x", 2000))
	}))
	t.Cleanup(origin.Close)
	admin, listen := testenv.FreeAddr(t), testenv.FreeAddr(t)
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := link.Run(ctx, link.Config{Admin: admin, Proxies: []link.Proxy{{
			Name: "origin", Listen: listen, Upstream: strings.TrimPrefix(origin.URL, "http://"),
		}}}); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(serving.Wait)
	t.Cleanup(cancel)
	for deadline := time.Now().Add(30 * time.Second); ; {
		res, err := http.Get("http://" + admin + "/version")
		if err == nil {
			res.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nodes{&linkNode{node: newNode(), ports: map[int]string{
		topology.PortLinkAdmin: admin, topology.LinkPort(topology.PortOrigin): listen,
	}}}
}

// TestLinkFaults makes a real link bad in every way: the fault must observe its
// effect, and that it is gone. Each is strong enough to show next to a probe of the
// healthy link that a busy machine made slow.
func TestLinkFaults(t *testing.T) {
	for _, s := range []fault.Spec{
		{Kind: fault.KindLatency, Latency: 2 * time.Second},
		{Kind: fault.KindJitter, Latency: time.Second},
		{Kind: fault.KindBandwidth, Rate: 1},
		{Kind: fault.KindReset},
		{Kind: fault.KindSlowClose, Latency: 2 * time.Second},
		{Kind: fault.KindBlackHole},
	} {
		t.Run(s.Kind, func(t *testing.T) {
			t.Parallel()
			s.Target = "origin"
			f, err := fault.Make(s, startLink(t))
			if err != nil {
				t.Fatal(err)
			}
			e, err := fault.Run(t.Context(), f, fault.Plan{EffectIn: time.Minute, RecoverIn: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			if e.EffectObservedAt.IsZero() || e.RecoveredAt.IsZero() {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestMakeRejects(t *testing.T) {
	l := startLink(t)
	for _, c := range []struct {
		name string
		spec fault.Spec
		want string
	}{
		{name: "a node without a link", spec: fault.Spec{Kind: fault.KindLatency, Target: "redis"}, want: "there is no link to redis"},
		{name: "a role without links", spec: fault.Spec{Kind: fault.KindLatency, Target: "worker"}, want: `there is never a link to "worker"`},
		{name: "another runtime's fault", spec: fault.Spec{Kind: fault.KindCPU, Target: "link"}, want: "cannot take resources"},
		{name: "an unknown node", spec: fault.Spec{Kind: fault.KindKill, Target: "mars"}, want: `the lab has no node "mars": want one of link`},
		{name: "an unknown kind", spec: fault.Spec{Kind: "explode"}, want: `unknown fault "explode": want bandwidth, black-hole`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := fault.Make(c.spec, l)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v: error %v, want %q in it", c.spec, err, c.want)
			}
		})
	}
}
