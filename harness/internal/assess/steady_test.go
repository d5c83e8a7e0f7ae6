package assess

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/scenario"
)

// pools are readings of two gateways with pools of 20, of which so many are in
// use at each; the last one is taken when the load is over.
func pools(t *testing.T, inUse ...int) []readings.Reading {
	t.Helper()
	var out []readings.Reading
	for _, n := range append(inUse, 0) {
		m := gatewayWith(t, fmt.Sprintf(`# TYPE gateway_postgres_connections gauge
gateway_postgres_connections{state="in_use"} %d
gateway_postgres_connections{state="max"} 20
`, n))
		out = append(out, readings.Reading{Gateways: map[string]readings.Metrics{"gateway-1": m, "gateway-2": m}})
	}
	return out
}

func TestAPoolThatFillsIsNotSteady(t *testing.T) {
	for _, c := range []struct {
		name     string
		readings []readings.Reading
		known    bool
		steady   bool
	}{
		{name: "it is used alike", readings: pools(t, 10, 11, 10, 9, 10, 10, 11, 10), known: true, steady: true},
		{name: "it fills", readings: pools(t, 4, 6, 8, 10, 12, 14, 16, 18), known: true, steady: false},
		{name: "it is idle, save now and then", readings: pools(t, 0, 0, 0, 0, 0, 1, 1, 2), known: false, steady: true},
		{name: "there is none", readings: []readings.Reading{{}, {}, {}}, known: false, steady: true},
	} {
		trend, known := poolTrend(c.readings)
		if known != c.known || poolSteady(c.readings) != c.steady {
			t.Errorf("%s: trend %v, known %v, steady %v", c.name, trend.Values, known, poolSteady(c.readings))
		}
		a := failing(load.Closed, nil)
		a.Readings = c.readings
		got := verdictOf(&Measurement{Stage: &scenario.Stage{}, Empty: true}, a, "steady state")
		if said := strings.Contains(got.Saw, "pool in use"); said != c.known || !c.steady != (got.Verdict == measure.Warning) {
			t.Errorf("%s: the check says %s (%s)", c.name, got.Verdict, got.Saw)
		}
	}
	// A replica that was not read in between is no fall.
	missed := pools(t, 10, 10, 10, 10, 10, 10, 10)
	delete(missed[3].Gateways, "gateway-2")
	if !poolSteady(missed) {
		t.Error("a missed reading is called a trend")
	}
}
