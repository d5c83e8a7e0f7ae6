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

	"gatelab/harness/internal/fault"
	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/link"
	"gatelab/internal/testenv"
)

// linkNode is a link node in this process.
type linkNode struct {
	*node
	ports map[int]string
}

func (n *linkNode) Name() string                             { return lab.RoleLink }
func (n *linkNode) Role() string                             { return lab.RoleLink }
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
	admin, way := testenv.FreeAddr(t), testenv.FreeAddr(t)
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := link.Run(ctx, link.Config{Admin: admin, Proxies: []link.Proxy{{
			Name: "origin", Listen: way, Upstream: strings.TrimPrefix(origin.URL, "http://"),
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
		lab.PortLinkAdmin: admin, lab.LinkPort(lab.PortOrigin): way,
	}}}
}

// TestToxics breaks a real link in every way: the fault must see its own
// effect, and see it gone. Each is so strong that it shows beside a knock on the
// sound link that a busy machine made slow.
func TestToxics(t *testing.T) {
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

func TestToxicsRefuse(t *testing.T) {
	l := startLink(t)
	for _, c := range []struct {
		spec fault.Spec
		want string
	}{
		{fault.Spec{Kind: fault.KindLatency, Target: "redis"}, "there is no link to redis"},
		{fault.Spec{Kind: fault.KindLatency, Target: "worker"}, `there is never a link to "worker"`},
		{fault.Spec{Kind: fault.KindCPU, Target: "link"}, "cannot take resources"},
		{fault.Spec{Kind: fault.KindKill, Target: "mars"}, `the lab has no node "mars": want one of link`},
		{fault.Spec{Kind: "explode"}, `unknown fault "explode": want bandwidth, black-hole`},
	} {
		_, err := fault.Make(c.spec, l)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q in it", c.spec, err, c.want)
		}
	}
}
