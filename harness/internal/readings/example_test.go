package readings_test

import (
	"fmt"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/readings"
)

// Two readings of a lab say what each role used in between. A replica that was missed leaves the whole role unknown.
func ExampleCPUByRole() {
	at := func(s int64, cpu map[string]float64) readings.Reading {
		r := readings.Reading{At: time.Unix(s, 0), Usage: map[string]lab.Usage{}}
		for node, seconds := range cpu {
			r.Usage[node] = lab.Usage{CPUSeconds: seconds}
		}
		return r
	}
	all := []readings.Reading{
		at(0, map[string]float64{"gateway-1": 10, "gateway-2": 12, "redis": 3, "origin": 1}),
		at(10, map[string]float64{"gateway-1": 14, "gateway-2": 15.5, "redis": 3.25}),
	}
	used := readings.CPUByRole(readings.Spent(all))
	for _, role := range []string{"gateway", "redis", "origin"} {
		seconds, known := used[role]
		fmt.Println(role, seconds, known)
	}
	// Output:
	// gateway 7.5 true
	// redis 0.25 true
	// origin 0 false
}
