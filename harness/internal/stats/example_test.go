package stats_test

import (
	"fmt"

	"github.com/gatelab/gatelab/harness/internal/stats"
)

// Two builds are measured in ten rounds, one after the other in each, beside a
// second copy of the first as the control. Values of a round belong together:
// what the host does to one of them it does to the others.
func ExampleCompare() {
	host := []float64{100, 131, 96, 118, 104, 125, 99, 141, 110, 102}
	var base, head, again []float64
	for i, us := range host {
		wobble := float64(i%3) / 100
		base = append(base, us)
		head = append(head, us*(1.20+wobble))
		again = append(again, us*(0.99+wobble))
	}
	c := stats.Compare(stats.Data{
		Metrics: []stats.Metric{{Name: "cpu_us_per_request", Margin: 0.10, A: base, B: head}},
		Control: []stats.Metric{{Name: "cpu_us_per_request", A: base, B: again}},
	})
	e := c.Metrics[0]
	fmt.Printf("%s: %.2f (%.2f to %.2f), margin %.2f\n", e.Name, e.Ratio, e.Low, e.High, e.Margin)
	fmt.Println(c.Verdict)
	// Output:
	// cpu_us_per_request: 1.21 (1.20 to 1.21), margin 1.10
	// fail
}
