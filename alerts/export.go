package alerts

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/gatelab/gatelab/internal/suggest"
)

// Job is the job that the rules of the project are written for.
const Job = "gateway"

// Runbooks is where the rules of the project find their runbooks: a folder of the project.
const Runbooks = "alerts/runbooks/"

// Options adapt the rules to a Prometheus of one's own. Zero values leave the rules as they are.
type Options struct {
	Job        string             // the job of the gateways; empty: Job
	RunbookURL string             // the address of the folder with the runbooks; empty: Runbooks
	Thresholds map[string]float64 // by name: see Thresholds
}

// Threshold is a number of the rules that may be changed.
type Threshold struct {
	Name    string
	Meaning string
	Default float64
	least   float64
	most    float64
	// swaps are the texts with the default in the files, and how they read with another value.
	swaps []swap
}

type swap struct {
	old string
	new func(v float64) string
}

func number(format string, scale func(float64) float64) func(float64) string {
	return func(v float64) string { return fmt.Sprintf(format, strconv.FormatFloat(scale(v), 'g', 6, 64)) }
}

func same(v float64) float64    { return v }
func percent(v float64) float64 { return v * 100 }
func rest(v float64) float64    { return 1 - v }
func lost(v float64) float64    { return (1 - v) * 100 }
func millis(v float64) float64  { return v * 1000 }

// Thresholds are the numbers that may be changed, by name.
func Thresholds() []Threshold {
	return []Threshold{
		{
			Name: "availability", Meaning: "share of requests without a 5xx: AvailabilityBudgetBurnFast and -Slow", Default: 0.999,
			least: 0.5, most: 0.99999,
			swaps: []swap{
				{old: "14.4 * 0.001", new: number("14.4 * %s", rest)}, {old: "6 * 0.001", new: number("6 * %s", rest)},
				{old: "the objective allows 0.1%", new: number("the objective allows %s%%", lost)},
			},
		},
		{
			Name: "error-ratio", Meaning: "share of requests with a 5xx above which GatewayErrorRateHigh fires", Default: 0.01, most: 1,
			swaps: []swap{
				{old: "job:gateway_error_ratio:rate5m > 0.01", new: number("job:gateway_error_ratio:rate5m > %s", same)},
				{old: "more than 1% of", new: number("more than %s%% of", percent)},
			},
		},
		{
			Name: "latency", Meaning: "share of requests within 500 ms: LatencyBudgetBurnFast and -Slow", Default: 0.99,
			least: 0.5, most: 0.99999,
			swaps: []swap{
				{old: "14.4 * 0.01 ", new: number("14.4 * %s ", rest)}, {old: "14.4 * 0.01\n", new: number("14.4 * %s\n", rest)},
				{old: "6 * 0.01 ", new: number("6 * %s ", rest)}, {old: "6 * 0.01\n", new: number("6 * %s\n", rest)},
				{old: "the objective allows 1%", new: number("the objective allows %s%%", lost)},
			},
		},
		{
			Name: "p99-seconds", Meaning: "p99 in seconds above which GatewayLatencyP99High fires", Default: 0.5, most: 600,
			swaps: []swap{
				{old: "p99_5m > 0.5", new: number("p99_5m > %s", same)},
				{old: "p99 is above 500 ms", new: number("p99 is above %s ms", millis)},
			},
		},
		{
			Name: "postgres-connections", Meaning: "share of the pool above which PostgresConnectionsHigh fires", Default: 0.8, most: 1,
			swaps: []swap{
				{old: `{state="max"}) > 0.8`, new: number(`{state="max"}) > %s`, same)},
				{old: "uses more than 80% of its Postgres", new: number("uses more than %s%% of its Postgres", percent)},
			},
		},
		{
			Name: "redis-memory", Meaning: "share of maxmemory above which RedisMemoryHigh fires", Default: 0.9, most: 1,
			swaps: []swap{
				{old: "max_bytes) > 0) > 0.9", new: number("max_bytes) > 0) > %s", same)},
				{old: "uses more than 90% of its memory", new: number("uses more than %s%% of its memory", percent)},
			},
		},
	}
}

var jobRE = regexp.MustCompile(`^[a-zA-Z0-9_.:/-]{1,200}$`)

// Export returns the rule files, by name, adapted to the options. An error names the
// option, its value and what is allowed.
func Export(o Options) (map[string][]byte, error) {
	change, err := o.changes()
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(Files, "*.rules.yaml")
	if err != nil {
		return nil, fmt.Errorf("alerts: %w", err)
	}
	out := map[string][]byte{}
	for _, name := range names {
		text, err := Files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("alerts: %w", err)
		}
		out[name] = []byte(change(string(text)))
	}
	return out, nil
}

// changes is the function that adapts the text of a file.
func (o Options) changes() (func(string) string, error) {
	var pairs []string
	var wrong []error
	if o.Job != "" && o.Job != Job {
		if !jobRE.MatchString(o.Job) {
			wrong = append(wrong, fmt.Errorf("job %q: want letters, digits and _.:/-", o.Job))
		}
		pairs = append(pairs, `job="`+Job+`"`, `job="`+o.Job+`"`)
	}
	if o.RunbookURL != "" {
		if strings.ContainsAny(o.RunbookURL, " \t\n\"'") {
			wrong = append(wrong, fmt.Errorf("runbook URL %q: want an address without spaces and quotes", o.RunbookURL))
		}
		pairs = append(pairs, "runbook_url: "+Runbooks, "runbook_url: "+strings.TrimSuffix(o.RunbookURL, "/")+"/")
	}
	known := Thresholds()
	names := make([]string, len(known))
	for i := range known {
		names[i] = known[i].Name
	}
	for name, v := range o.Thresholds {
		i := slices.Index(names, name)
		if i < 0 {
			wrong = append(wrong, suggest.Unknown("threshold", name, names))
			continue
		}
		if t := &known[i]; !(v > t.least && v <= t.most) {
			wrong = append(wrong, fmt.Errorf("threshold %s=%g: want more than %g, at most %g", name, v, t.least, t.most))
		}
		for _, s := range known[i].swaps {
			pairs = append(pairs, s.old, s.new(v))
		}
	}
	return strings.NewReplacer(pairs...).Replace, errors.Join(wrong...)
}

// OneFile is the rules as one rule file.
func OneFile(o Options) ([]byte, error) {
	groups, err := exportedGroups(o)
	if err != nil {
		return nil, err
	}
	return encode(yaml.MapSlice{{Key: "groups", Value: groups}})
}

// PrometheusRule is the rules as a resource of the Prometheus operator.
func PrometheusRule(o Options, name, namespace string, labels map[string]string) ([]byte, error) {
	groups, err := exportedGroups(o)
	if err != nil {
		return nil, err
	}
	meta := yaml.MapSlice{{Key: "name", Value: name}}
	if namespace != "" {
		meta = append(meta, yaml.MapItem{Key: "namespace", Value: namespace})
	}
	if len(labels) > 0 {
		meta = append(meta, yaml.MapItem{Key: "labels", Value: labels})
	}
	return encode(yaml.MapSlice{
		{Key: "apiVersion", Value: "monitoring.coreos.com/v1"},
		{Key: "kind", Value: "PrometheusRule"},
		{Key: "metadata", Value: meta},
		{Key: "spec", Value: yaml.MapSlice{{Key: "groups", Value: groups}}},
	})
}

// exportedGroups are the groups of all files, with their keys in the files' order.
func exportedGroups(o Options) (groups []any, err error) {
	files, err := Export(o)
	if err != nil {
		return nil, err
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		var f struct {
			Groups []yaml.MapSlice `yaml:"groups"`
		}
		if err := yaml.UnmarshalWithOptions(files[file], &f, yaml.UseOrderedMap()); err != nil {
			return nil, fmt.Errorf("alerts: %s: %w", file, err)
		}
		for _, g := range f.Groups {
			groups = append(groups, g)
		}
	}
	return groups, nil
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	if err := yaml.NewEncoder(&b, yaml.IndentSequence(true)).Encode(v); err != nil {
		return nil, fmt.Errorf("alerts: %w", err)
	}
	return b.Bytes(), nil
}
