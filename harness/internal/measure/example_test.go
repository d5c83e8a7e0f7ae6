package measure_test

import (
	"fmt"
	"time"

	"github.com/gatelab/gatelab/harness/internal/measure"
)

// A percentile is printed only where enough samples lie beyond it: p99 needs 1,000.
func ExampleHistogram() {
	var one, other measure.Histogram
	for i := range 500 {
		one.Record(time.Duration(i+1) * time.Millisecond)
		other.Record(time.Duration(i+501) * time.Millisecond)
	}
	fmt.Println("of 500:", one.Percentiles().P99 == nil)
	one.Merge(other)
	p := one.Percentiles()
	fmt.Printf("of %d: p50 %.0f ms, p99 %.0f ms, p99.9 missing %t\n", p.Samples, *p.P50, *p.P99, p.P999 == nil)
	// Output:
	// of 500: true
	// of 1000: p50 500 ms, p99 990 ms, p99.9 missing true
}

// A replica is killed at 100 ms: probes every 100 ms see one outage, and the service
// counts as recovered with the first of three good probes in a row.
func ExampleOutages() {
	var probes []measure.Probe
	for i, ok := range []bool{true, false, false, true, false, true, true, true} {
		probes = append(probes, measure.Probe{At: time.Duration(i) * 100 * time.Millisecond, OK: ok})
	}
	for _, o := range measure.Outages(probes, 200*time.Millisecond) {
		fmt.Printf("%s to %s, %d failed\n", o.From, o.To, o.Failed)
	}
	fmt.Println(measure.Recovered(probes, 100*time.Millisecond, 3))
	// Output:
	// 100ms to 400ms, 3 failed
	// 500ms true
}
