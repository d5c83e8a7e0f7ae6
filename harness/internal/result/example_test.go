package result_test

import (
	"fmt"
	"log"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// A run is read from its folder (reports/latest/result.json), whichever version of
// the schema it has. A figure that was not measured is nil, and n/a in words.
func Example() {
	r, err := result.Read("testdata/v1.json")
	if err != nil {
		log.Fatal(err)
	}
	for i := range r.Stages {
		s := &r.Stages[i]
		fmt.Printf("%s: p99 %s, p99.9 %s\n", s.Name, figure.MillisOr(s.P99()), figure.MillisOr(s.LatencyMS.P999))
	}
	// Output: multi: p99 320 ms, p99.9 n/a
}
