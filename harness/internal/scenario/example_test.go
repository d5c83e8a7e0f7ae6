package scenario_test

import (
	"fmt"
	"slices"

	"github.com/gatelab/gatelab/harness/internal/scenario"
)

// Stages are cumulative: a stage is the file's own keys with every overlay up to its
// own on top, and a profile last.
func ExampleParse() {
	s, err := scenario.Parse("small.yaml", []byte(`
name: small
seed: 1
topology: {replicas: 1}
entities: {services: [{name: api, url: "http://origin:9000", routes: [{name: api, paths: [/api]}]}]}
workload: {requests: [{name: get, path: /api/1}]}
load: {open: {rate: 200, connections: 4, duration: 10s}}
stages:
  - {name: one, changes: [one replica]}
  - {name: three, changes: [two replicas more], topology: {replicas: 3}}
profiles: {smoke: {load: {open: {duration: 1s}}}}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	stages, err := s.Plan("smoke", "three")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, stage := range stages {
		fmt.Println(stage.Name, stage.Topology.Replicas, "replicas", stage.Load.Open.Duration)
	}
	_, err = scenario.Parse("wrong.yaml", []byte("name: wrong\nsead: 1\n"))
	fmt.Println(err != nil, slices.Contains(scenario.FaultKinds(), "kill"))
	// Output:
	// three 3 replicas 1s
	// true true
}
