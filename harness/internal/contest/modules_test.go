package contest

import (
	"slices"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/lab/host"
	"github.com/gatelab/gatelab/harness/internal/parity"
	"github.com/gatelab/gatelab/harness/internal/sut"
	"github.com/gatelab/gatelab/harness/internal/sut/suttest"
)

// TestBuiltGatewaysBehaveAsEveryPolicySays builds each gateway that is a Go module, starts it for each policy that it does not declare as
// lacking, and asks it the probes. The first build takes a minute or two; later ones find it in the user's cache.
func TestBuiltGatewaysBehaveAsEveryPolicySays(t *testing.T) {
	if testing.Short() {
		t.Skip("builds gateways from their modules, and -short asks for tests without servers: run make test")
	}
	set := suttest.Policies(t)
	systems := slices.DeleteFunc(sut.Systems(), func(s *sut.System) bool { return s.Module == "" || !s.Tested })
	c := &contest{Options: &Options{Systems: systems}, doing: func(string, ...any) {}, broken: map[string]string{}}
	binaries := map[string]string{}
	c.build(t.Context(), binaries)
	if len(binaries) != len(systems) || len(systems) < 2 {
		t.Fatalf("built %v: %v", binaries, c.broken)
	}
	l, addr := suttest.Lab(t, host.Config{Binaries: binaries})
	references := map[string]*parity.Answers{}
	for _, s := range systems {
		for i := range set.Policies {
			p := &set.Policies[i]
			if s.Lacks(p) != "" {
				continue
			}
			t.Run(s.Name+"/"+p.Name, func(t *testing.T) {
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

// TestBuiltGatewaysLackWhatTheySay holds which policies they are not asked for.
func TestBuiltGatewaysLackWhatTheySay(t *testing.T) {
	suttest.Lacking(t, suttest.Policies(t), map[string][]string{
		"caddy": {
			"cached", "jwt", "limit-service", "limit-address", "limit-addresses-100", "limit-addresses-50000", "request-body", "response-body",
			"everything",
		},
		"skipper": {"cached", "jwt", "request-body", "response-body", "everything"},
	})
}
