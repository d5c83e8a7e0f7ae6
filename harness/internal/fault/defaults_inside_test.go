package fault

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestDefaultsAreDocumented compares what a fault does without further fields
// with its row of docs/faults.md.
func TestDefaultsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	row := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if kind, rest, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "` |"); ok && strings.HasPrefix(line, "| `") {
			row[kind] = rest
		}
	}
	for kind, want := range map[string]string{
		KindLatency:    span(latency(Spec{}).Attributes["latency"]),
		KindJitter:     span(jitter(Spec{}).Attributes["jitter"]),
		KindSlowClose:  span(slowClose(Spec{}).Attributes["delay"]),
		KindBandwidth:  fmt.Sprintf("(%d by default)", bandwidth(Spec{}).Attributes["rate"]),
		KindOriginSlow: span(originSlow(Spec{})["delay_ms"].(int)),
		KindCPU:        fmt.Sprintf("%v by default)", leftCores),
		KindChurn:      fmt.Sprintf("(%d by default)", churnRate),
	} {
		if !strings.Contains(row[kind], want) {
			t.Errorf("docs/faults.md, %s: %q lacks %q", kind, row[kind], want)
		}
	}
}

// span is a default in milliseconds as the document spells it.
func span(ms int) string {
	if ms%1000 == 0 {
		return fmt.Sprintf("(%d s by default)", ms/1000)
	}
	return fmt.Sprintf("(%d ms by default)", ms)
}
