// Package suttest runs systems under test in a lab of processes, in tests, and asks
// them the probes of a policy.
package suttest

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/lab/host"
	"github.com/gatelab/gatelab/harness/internal/origin"
	"github.com/gatelab/gatelab/harness/internal/parity"
	"github.com/gatelab/gatelab/harness/internal/policy"
	"github.com/gatelab/gatelab/harness/internal/sut"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// Policies are those of scenarios/compare.yaml, from a package two folders below
// harness.
func Policies(tb testing.TB) *policy.Set {
	tb.Helper()
	set, err := policy.Read("../../../scenarios/compare.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	// A thousand routes are configured as ten thousand are; of those Varnish's compiler takes minutes on a busy machine.
	set.Policies = slices.DeleteFunc(set.Policies, func(p policy.Policy) bool { return p.Name == "routes-10000" })
	return set
}

// Lab is a lab of processes without nodes yet, and the address of an origin beside
// it. Both end with the test.
func Lab(tb testing.TB, c host.Config) (l *lab.Lab, originAddr string) {
	tb.Helper()
	c.Progress = func(line string) { tb.Log(line) }
	rt, err := host.New(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	l = lab.New(rt, lab.Options{Layout: rt.Layout()})
	tb.Cleanup(func() {
		if err := l.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return l, startOrigin(tb)
}

func startOrigin(tb testing.TB) string {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- origin.New(origin.Config{
			Models: 200, BodyBytes: 1024, Seed: 1, ChatMedian: 200 * time.Millisecond, ChatP99: 200 * time.Millisecond, // as compare.yaml
		}).ServeListener(ctx, ln)
	}()
	tb.Cleanup(func() {
		cancel()
		if err := <-served; err != nil && !strings.Contains(err.Error(), "closed") {
			tb.Error(err)
		}
	})
	return ln.Addr().String()
}

// Ask runs an arm under its policy, asks it the probes, and drops it again.
func Ask(tb testing.TB, l *lab.Lab, a *sut.Arm) *parity.Answers {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 2*time.Minute)
	defer cancel()
	var origins []string
	if o := a.Policy.Origins; o != nil {
		for range o.Count {
			a.Origins = append(a.Origins, startOrigin(tb))
			origins = append(origins, "http://"+a.Origins[len(a.Origins)-1])
		}
	}
	spec, err := a.Node()
	if err != nil {
		tb.Fatal(err)
	}
	if err := l.Prepare(ctx, spec); err != nil {
		tb.Fatal(err)
	}
	node, err := l.Replace(ctx, spec)
	if node != nil {
		defer func() {
			if tb.Failed() {
				logs, _ := node.Logs(context.WithoutCancel(ctx))
				tb.Log(logs)
			}
			if err := l.Drop(context.WithoutCancel(ctx), node.Name()); err != nil {
				tb.Error(err)
			}
		}()
	}
	if err != nil {
		tb.Fatal(err)
	}
	certificate, err := sut.LabCertificate()
	if err != nil {
		tb.Fatal(err)
	}
	answers, err := parity.Ask(ctx, parity.Arm{
		Name: a.System.Name, Proxy: a.Scheme() + "://" + node.HostAddr(topology.PortProxy), Origin: "http://" + a.Origin,
		Roots: string(certificate.Public), ServerName: sut.ServerName, Origins: origins,
	}, a.Policy)
	if err != nil {
		tb.Fatal(err)
	}
	for _, failure := range answers.Failures {
		tb.Error(failure) // here, so that the node's log is shown
	}
	return answers
}

// Lacking wants systems, by name, to lack these policies of the set and no others.
func Lacking(tb testing.TB, set *policy.Set, want map[string][]string) {
	tb.Helper()
	for name, lacking := range want {
		systems, err := sut.Find([]string{name})
		if err != nil {
			tb.Fatal(err)
		}
		for i := range set.Policies {
			p := &set.Policies[i]
			if why := systems[0].Lacks(p); (why != "") != slices.Contains(lacking, p.Name) {
				tb.Errorf("%s, %s: lacks %q", name, p.Name, why)
			}
		}
	}
}
