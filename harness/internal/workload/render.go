package workload

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/scenario"
)

// Rates of the open-loop attack, in requests per second.
const (
	usualRate = 100  // of a source without times
	leastRate = 100  // fewer would say little in the seconds that an attack lasts
	mostRate  = 2000 // what a small machine can serve beside the lab
)

// Rate is that of the open-loop attack: the mean of the source if it has times, within limits.
func (i *Import) Rate() float64 {
	if i.Arrivals.Mean == 0 {
		return usualRate
	}
	return math.Round(min(max(i.Arrivals.Mean, leastRate), mostRate))
}

// Of the open-loop attack of the profile smoke.
const (
	smokeRequests = 1100 // with room to spare: a p99 needs 1,000 successes
	smokeLeast    = 4    // seconds
)

// smokeSeconds is how long a smoke run sends at a rate to tell a p99.
func smokeSeconds(rate float64) int { return max(int(math.Ceil(smokeRequests/rate)), smokeLeast) }

// usualLength is how long the open-loop attack sends, in seconds.
const usualLength = 20

const scenarioHead = `name: %s
description: %s
seed: 1

topology:
  replicas: 1

lb: {keepalive: 1024} # connections to the gateways that the load balancer keeps

# The paths are not those of the lab's AI API. Below /v1/any its origin answers every method and path with 200 and a body of body_bytes.
origin:
  latency: {median: 20ms, p99: 80ms}
  body_bytes: 1024

# One service and one route for every path. Replace them with your own routes and plugins.
entities:
  services:
    - name: imported
      url: http://origin:9000/v1/any
      routes:
        - name: imported
          paths: [/]
          strip_path: false

workload:
  requests:
`

const scenarioTail = `
load:
  # Closed-loop: the capacity. Every connection sends its next request when it has its response.
  closed: {connections: 400, warmup: 2s, duration: 10s}
  # Open-loop: the latency at a fixed rate in requests/s%s.
  open: {rate: %s, connections: 400, warmup: 2s, duration: %ds, timeout: 10s%s}

stages:
  - name: baseline
    changes:
      - the imported traffic on one replica
  - name: multi
    changes:
      - three replicas
    topology: {replicas: 3}
    lb: {balance: least_conn, keepalive: 1024, max_fails: 3, fail_timeout: 30s, retries: true}

profiles:
  smoke:
    load:
      closed: {warmup: 1s, duration: 3s}
      open: {warmup: 1s, duration: %ds%s} # %d requests: a p99 needs 1,000
  full: {}
`

// Scenario is a complete scenario of a name with the requests, as commented YAML. It is read again before it is returned: an error is a
// request that YAML does not carry.
//
// With arrivals the open-loop attack has the source's rate over time, as a shape.
func (i *Import) Scenario(name string, arrivals bool) ([]byte, error) {
	shape, length := "", usualLength
	if arrivals {
		var err error
		if shape, length, err = i.shape(); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	b.WriteString("# Made by: harness workload import\n#\n")
	for _, line := range i.Summary() {
		b.WriteString("# " + comment(line) + "\n")
	}
	b.WriteString("#\n# Weights are numbers of requests in the source. {id} is drawn from 1 to ids; zipf is the skew of their popularity.\n")
	b.WriteString("# A stage of it in a few seconds: harness run FILE --stage baseline --profile smoke\n")
	fmt.Fprintf(&b, scenarioHead, name, quote("traffic imported from "+i.Format))
	for _, r := range i.Requests {
		writeRequest(&b, r)
	}
	from := ""
	if i.Arrivals.Mean > 0 {
		from = "; the source had " + i.Arrivals.String()
	}
	seconds := smokeSeconds(i.Rate())
	smoke := ""
	if arrivals {
		smoke = fmt.Sprintf(", shape: [{for: %ds, level: 1}]", seconds)
	}
	fmt.Fprintf(&b, scenarioTail, from, number(i.Rate()), length, shape, seconds, smoke, seconds*int(i.Rate()))
	s, err := scenario.Parse(name+".yaml", b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("the scenario is not valid: %w", err)
	}
	stages, err := s.Plan("")
	if err != nil {
		return nil, fmt.Errorf("the scenario is not valid: %w", err)
	}
	if got := stages[0].Workload.Requests; !reflect.DeepEqual(got, i.Requests) {
		return nil, fmt.Errorf("the scenario has other requests than the source: want %+v, it has %+v", i.Requests, got)
	}
	return b.Bytes(), nil
}

func writeRequest(b *bytes.Buffer, r scenario.Request) {
	fmt.Fprintf(b, "    - name: %s\n", quoteName(r.Name))
	if r.Method != "GET" {
		fmt.Fprintf(b, "      method: %s\n", r.Method)
	}
	fmt.Fprintf(b, "      path: %s\n", quote(r.Path))
	if len(r.Headers) > 0 {
		b.WriteString("      headers:\n")
		for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
			fmt.Fprintf(b, "        %s: %s\n", quoteName(name), quote(r.Headers[name]))
		}
	}
	if r.Body != "" {
		fmt.Fprintf(b, "      body: %s\n", quote(r.Body))
	}
	fmt.Fprintf(b, "      weight: %s\n", number(r.Weight))
	if r.IDs > 0 {
		fmt.Fprintf(b, "      ids: %d\n", r.IDs)
	}
	if r.Zipf > 0 {
		fmt.Fprintf(b, "      zipf: %s\n", number(r.Zipf))
	}
}

// quote is a text in double quotes, whose escapes in YAML are those of JSON.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return `""` // a string is always JSON
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// quoteName quotes a name that YAML would read as something else than text: null, true, 1, 1e5.
func quoteName(s string) string {
	switch strings.ToLower(s) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n":
		return quote(s)
	}
	if s != "" && (s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z') && !strings.HasSuffix(s, "-") {
		return s
	}
	return quote(s)
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// comment is text that stays in one line.
func comment(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, s)
}
