package slo_test

import (
	"fmt"

	"github.com/gatelab/gatelab/harness/internal/slo"
)

// Objectives are read from one text, in scenarios and on the command line. Durations
// become milliseconds, percentages become shares.
func ExampleParse() {
	all, err := slo.Parse("p99<250ms,p95{search}<0.1s,errors<0.1%")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range all {
		fmt.Printf("%s: limit %v\n", o, o.Limit)
	}
	fmt.Println(all[0].Met(249.9), all[0].Met(250))
	fmt.Println(all.Requests())

	_, err = slo.Parse("p98<250ms")
	fmt.Println(err != nil)
	// Output:
	// p99<250ms: limit 250
	// p95{search}<100ms: limit 100
	// errors<0.1%: limit 0.001
	// true false
	// [search]
	// true
}
