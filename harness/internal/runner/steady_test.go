package runner

import (
	"fmt"
	"strings"
	"testing"

	"gatelab/harness/internal/load"
	"gatelab/harness/internal/measure"
	"gatelab/harness/internal/scenario"
)

// pools are readings of two gateways with pools of 20, of which so many are in
// use at each; the last one is taken when the load is over.
func pools(t *testing.T, inUse ...int) []reading {
	t.Helper()
	var out []reading
	for _, n := range append(inUse, 0) {
		m := gatewayWith(t, fmt.Sprintf("# TYPE gateway_postgres_connections gauge\ngateway_postgres_connections{state=\"in_use\"} %d\ngateway_postgres_connections{state=\"max\"} 20\n", n))
		out = append(out, reading{gateways: map[string]metrics{"gateway-1": m, "gateway-2": m}})
	}
	return out
}

func TestAPoolThatFillsIsNotSteady(t *testing.T) {
	for _, c := range []struct {
		why      string
		readings []reading
		known    bool
		steady   bool
	}{
		{"it is used alike", pools(t, 10, 11, 10, 9, 10, 10, 11, 10), true, true},
		{"it fills", pools(t, 4, 6, 8, 10, 12, 14, 16, 18), true, false},
		{"it is idle, save now and then", pools(t, 0, 0, 0, 0, 0, 1, 1, 2), false, true},
		{"there is none", []reading{{}, {}, {}}, false, true},
	} {
		trend, known := poolTrend(c.readings)
		if known != c.known || poolSteady(c.readings) != c.steady {
			t.Errorf("%s: trend %v, known %v, steady %v", c.why, trend.Values, known, poolSteady(c.readings))
		}
		a := failing(load.Closed, nil)
		a.readings = c.readings
		got := verdictOf(&measured{stage: &scenario.Stage{}, reset: true}, a, "steady state")
		if said := strings.Contains(got.Saw, "pool in use"); said != c.known || !c.steady != (got.Verdict == measure.Warning) {
			t.Errorf("%s: the check says %s (%s)", c.why, got.Verdict, got.Saw)
		}
	}
	// A replica that was not read in between is no fall.
	missed := pools(t, 10, 10, 10, 10, 10, 10, 10)
	delete(missed[3].gateways, "gateway-2")
	if !poolSteady(missed) {
		t.Error("a missed reading is called a trend")
	}
}
