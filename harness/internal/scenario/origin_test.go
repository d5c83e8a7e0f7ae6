package scenario_test

import (
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/gatelab/gatelab/harness/internal/origin"
	"github.com/gatelab/gatelab/harness/internal/scenario"
)

// TestOriginTakesItsFlags holds both ends together: every key of origin in a
// scenario arrives at the origin's command, and no flag of it is left out but
// where it listens, and where the lab has its collector.
func TestOriginTakesItsFlags(t *testing.T) {
	const ms = time.Millisecond
	flags := scenario.Origin{
		Models: 2, Latency: scenario.Latency{Median: 3 * ms, P99: 2500 * time.Microsecond},
		ChatLatency: scenario.Latency{Median: 5 * ms, P99: 6 * ms}, ChatConcurrency: 7, ErrorRate: 1e-7,
		FirstToken: 8 * ms, TokenRate: 2.5, BreakRate: 0.25, BodyBytes: 1 << 20, CacheMaxAge: time.Minute, Seed: 1<<64 - 1,
	}.Flags()
	var c origin.Config
	fs := pflag.NewFlagSet("origin", pflag.ContinueOnError)
	c.Flags(fs)
	for name, value := range flags {
		if err := fs.Set(name, value); err != nil {
			t.Errorf("--%s=%s: %v", name, value, err)
		}
	}
	fs.VisitAll(func(f *pflag.Flag) {
		if _, ok := flags[f.Name]; !ok && f.Name != "listen" && f.Name != "traces" {
			t.Errorf("no key of a scenario sets --%s", f.Name)
		}
	})
	c.Listen = ""
	if want := (origin.Config{Models: 2, Median: 3 * ms, P99: 2500 * time.Microsecond, ChatMedian: 5 * ms, ChatP99: 6 * ms,
		ChatConcurrency: 7, ErrorRate: 1e-7, FirstToken: 8 * ms, TokenRate: 2.5, BreakRate: 0.25,
		BodyBytes: 1 << 20, CacheMaxAge: time.Minute, Seed: 1<<64 - 1}); c != want {
		t.Errorf("got %+v, want %+v", c, want)
	}
}
