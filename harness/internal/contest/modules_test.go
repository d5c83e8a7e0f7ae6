package contest

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/lab/host"
	"gatelab/harness/internal/origin"
	"gatelab/harness/internal/parity"
	"gatelab/harness/internal/policy"
	"gatelab/harness/internal/sut"
	"gatelab/harness/internal/topology"
)

// TestBuiltGatewaysBehaveAsEveryPolicySays builds each gateway that is a Go module, starts it for each policy that it does not declare as
// lacking, and asks it the probes. The first build takes a minute or two; later ones find it in the user's cache.
func TestBuiltGatewaysBehaveAsEveryPolicySays(t *testing.T) {
	if testing.Short() {
		t.Skip("builds gateways from their modules, and -short asks for tests without servers: run make test")
	}
	set, err := policy.Read("../../../scenarios/compare.yaml")
	if err != nil {
		t.Fatal(err)
	}
	systems := slices.DeleteFunc(sut.Systems(), func(s *sut.System) bool { return s.Module == "" || !s.Tested })
	c := &contest{Options: &Options{Systems: systems}, broken: map[string]string{}}
	binaries := map[string]string{}
	c.build(t.Context(), binaries)
	if len(binaries) != len(systems) || len(systems) < 2 {
		t.Fatalf("built %v: %v", binaries, c.broken)
	}
	l, addr := hostLab(t, binaries)
	references := map[string]*parity.Answers{}
	for _, s := range systems {
		for i := range set.Policies {
			p := &set.Policies[i]
			if s.Lacks(p) != "" {
				continue
			}
			t.Run(s.Name+"/"+p.Name, func(t *testing.T) {
				answers := asked(t, l, &sut.Arm{System: s, Policy: p, Layout: l.Layout(), Origin: addr})
				if references[p.Name] == nil {
					references[p.Name] = answers
				}
				for _, wrong := range append(answers.Failures, parity.Differences(p, references[p.Name], answers)...) {
					t.Error(wrong)
				}
			})
		}
	}
}

// TestBuiltGatewaysLackWhatTheySay holds which policies they are not asked for.
func TestBuiltGatewaysLackWhatTheySay(t *testing.T) {
	set, err := policy.Read("../../../scenarios/compare.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, lacking := range map[string][]string{
		"caddy":   {"cached", "jwt", "limit-service", "limit-address", "request-body", "response-body", "everything"},
		"skipper": {"cached", "jwt", "request-body", "response-body", "everything"},
	} {
		systems, err := sut.Find([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		for i := range set.Policies {
			p := &set.Policies[i]
			if why := systems[0].Lacks(p); (why != "") != slices.Contains(lacking, p.Name) {
				t.Errorf("%s, %s: lacks %q", name, p.Name, why)
			}
		}
	}
}

// asked runs an arm under its policy, and asks it the probes.
func asked(t *testing.T, l *lab.Lab, a *sut.Arm) *parity.Answers {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	spec, err := a.Node()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Prepare(ctx, spec); err != nil {
		t.Fatal(err)
	}
	node, err := l.Replace(ctx, spec)
	if err != nil {
		t.Fatal(err)
	}
	answers, err := parity.Ask(ctx, parity.Arm{
		Name: a.System.Name, Proxy: "http://" + node.HostAddr(topology.PortProxy), Origin: "http://" + a.Origin,
	}, a.Policy)
	if err != nil {
		t.Fatal(err)
	}
	if logs, _ := node.Logs(ctx); len(answers.Failures) > 0 {
		t.Log(logs)
	}
	return answers
}

// hostLab is a lab of processes without nodes yet, and the address of an origin.
func hostLab(t *testing.T, binaries map[string]string) (*lab.Lab, string) {
	t.Helper()
	rt, err := host.New(t.Context(), host.Config{Binaries: binaries, Progress: func(line string) { t.Log(line) }})
	if err != nil {
		t.Fatal(err)
	}
	l := lab.New(rt, lab.Options{Layout: rt.Layout()})
	t.Cleanup(func() {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- origin.New(origin.Config{Models: 200, BodyBytes: 1024, Seed: 1}).ServeListener(ctx, ln)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil && !strings.Contains(err.Error(), "closed") {
			t.Error(err)
		}
	})
	return l, ln.Addr().String()
}
