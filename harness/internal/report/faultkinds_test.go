package report

import (
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/result"
)

func TestManyFaultsAreSummedUpByKind(t *testing.T) {
	at := time.Unix(0, 0)
	one := func(kind, target string, failed uint64, outage float64) result.Fault {
		return result.Fault{
			Name:             kind,
			Target:           target,
			InjectedAt:       at,
			EffectObservedAt: &at,
			RecoveredAt:      &at,
			Probes:           p(uint64(100)),
			Failed:           &failed,
			OutageMS:         &outage,
		}
	}
	r := &result.Result{}
	for range manyFaults {
		r.Faults = append(r.Faults, one("kill", "gateway-1", 0, 0))
	}
	if g := faultKindGrid(r); !g.empty() {
		t.Errorf("%d faults are few: %v", len(r.Faults), g.Rows)
	}
	unseen := one("pause", "redis", 0, 0)
	unseen.EffectObservedAt = nil
	r.Faults = append(r.Faults, one("kill", "gateway-3", 2, 140), unseen)
	g := faultKindGrid(r)
	if len(g.Rows) != 2 {
		t.Fatalf("%v", g.Rows)
	}
	if row := strings.Join(g.Rows[0], "|"); row != "kill gateway|31|31|31|3,100|2|140 ms|n/a|n/a|0" || g.Bad[0] {
		t.Error(row, g.Bad[0])
	}
	if row := strings.Join(g.Rows[1], "|"); !strings.HasPrefix(row, "pause redis|1|0|1|") || !g.Bad[1] {
		t.Error(row, g.Bad[1])
	}
	notes := faultPart(r).Notes
	if len(notes) != 2 {
		t.Errorf("want a sentence for the two that did harm or were not seen: %q", notes)
	}
}

func TestARoleIsANameWithoutItsNumber(t *testing.T) {
	for name, want := range map[string]string{"gateway-12": "gateway", "lb": "lb", "lb-2": "lb", "redis": "redis", "a-": "a-", "7": "7",
		"x1": "x1"} {
		if got := role(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
